import { AppSettings } from '@hephy/core';
import { environmentTable } from '@hephy/runtime';
import { z } from 'zod';
import { heading, table } from './markdown.ts';

/** What the schema itself does not say. A new setting does not compile before it stands here. */
const meanings: Record<keyof AppSettings, string> = {
  deployBranch:
    'The branch whose push deploys. Until the first push that succeeds names it, `main` and `master` both do.',
  platforms: 'What to build for: `os/architecture[/variant]`.',
  requireNativeNodes:
    'Whether a platform that no machine here is refuses the build. With `false` it is built on another one, where only COPY-like steps work for it.',
  pushWhileBuilding:
    'What a push does while a build of the app runs: `refuse` refuses it before anything is sent, `queue` has it wait for its turn, and `supersede` has it take the place of the build, unless that is being published already.',
  waitForNodesSeconds:
    'In a cluster whose nodes come when pods wait for them: how long a platform without a ready node is waited for. With `0` it refuses the build.',
  dockerfilePath: 'Where the Dockerfile is, from the top of the repository.',
  contextPath: 'The folder that COPY and ADD read, from the top of the repository.',
  target: 'The stage of the Dockerfile to build; the last one without it.',
  buildArgs:
    'Build arguments. Every reader of the app sees them, and so may the image: no place for secrets.',
  labels:
    'Labels of the image. `org.opencontainers.image.title` and `.created` stand there too, unless you say otherwise, and always `.revision`, the commit, and `hephy-builder.build-id`.',
  imageFormat:
    'The format of the image. Without it: `oci` with buildah, that of the base image with kaniko, which can choose from 1.28 on. What does not become it is not published.',
  compression:
    'How new layers are packed. `zstd` needs the format `oci`: Docker 20.10 and older cannot pull it.',
  compressionLevel: 'From fast to small: up to 9 with gzip, up to 22 with zstd.',
  snapshotMode:
    'How kaniko finds what a step changed: by content, by all that `stat` says (`redo`, faster), or by time alone (`time`, which may miss a change). `full` without it; buildah has nothing else.',
  cacheRepository:
    "Where layers are kept for the next build: a repository of the app's own for each architecture, such as `${REPOSITORY}/cache-${ARCH}`. `${OS}` and `${VARIANT}` may be used too. buildah keeps layers on its machine too, and those in a repository in gzip.",
  cacheTtlHours:
    'Layers in the cache that are older are made anew; none is deleted. Without it: two weeks with kaniko, no limit with buildah.',
  movingTag:
    'The tag that follows the newest release; `null` for none. `git-<sha8>` is always set.',
  publishIndex: 'Whether an app with one platform gets an index too. Several platforms always do.',
  timeLimitSeconds: 'The longest that one platform build may run.',
  hookUrl:
    'Where releases are posted to. It needs a secret too, from `POST /v1/apps/:app/hook-secret`; without one a delivery is refused.',
};

/** `docs/configuration.md`: the service's variables, and the settings of an app. */
export function configurationPage(): string {
  return [
    ...heading(
      'Configuration',
      '`environmentTable` in packages/runtime and `AppSettings` in packages/core',
    ),
    '## The service',
    '',
    'Read once, at the start; every mistake is told at once, and an unknown `HEPHY_` variable is one. An empty variable',
    'counts as not set. Those marked *secret* may come from a file instead: `HEPHY_DATABASE_URL_FILE=/run/secrets/url`.',
    '',
    ...table(['Variable', 'What it is', 'Value', 'Without it'], environmentTable.map(variableRow)),
    '',
    '## An app',
    '',
    'Set with `hephy apps set key=value …` or `PATCH /v1/apps/:app`. `null` clears a setting that may be null; a list has',
    'commas between its items, a map is JSON: `hephy apps set platforms=linux/amd64,linux/arm64 \'buildArgs={"A":"1"}\'`.',
    '',
    ...table(['Setting', 'What it is', 'Value', 'At first'], settingRows()),
    '',
  ].join('\n');
}

function variableRow(variable: (typeof environmentTable)[number]): string[] {
  const { name, about, expects, fallback, secret } = variable;
  const without = fallback === undefined ? '' : fallback === '' ? 'none' : code(fallback);
  return [code(name) + (secret ? ' *secret*' : ''), about, expects, without];
}

function settingRows(): string[][] {
  const { properties } = JsonSchema.parse(z.toJSONSchema(AppSettings, { io: 'input' }));
  return Object.entries(meanings).map(([name, meaning]) => {
    const schema = properties?.[name];
    if (!schema) throw new Error(`the schema of the settings lacks ${name}`);
    return [code(name), meaning, valueOf(schema), code(JSON.stringify(schema.default))];
  });
}

/** As much of JSON Schema as zod uses for the settings. */
const JsonSchema = z.object({
  type: z.string().optional(),
  format: z.string().optional(),
  enum: z.array(z.string()).optional(),
  minimum: z.number().optional(),
  maximum: z.number().optional(),
  minItems: z.number().optional(),
  maxItems: z.number().optional(),
  default: z.unknown().optional(),
  get anyOf() {
    return z.array(JsonSchema).optional();
  },
  get properties() {
    return z.record(z.string(), JsonSchema).optional();
  },
});
type JsonSchema = z.infer<typeof JsonSchema>;

function valueOf(schema: JsonSchema): string {
  if (schema.anyOf) return schema.anyOf.map(valueOf).join(' or ');
  const { type = '', format, minimum, maximum, minItems, maxItems } = schema;
  if (schema.enum) return schema.enum.map(code).join(' or ');
  const text = format === 'uri' ? 'an http or https address' : 'text';
  const words: Record<string, string> = {
    string: text,
    integer: `${minimum} to ${maximum}`,
    array: `a list of ${minItems} to ${maxItems}`,
    object: 'a map of text',
    boolean: '`true` or `false`',
    null: '`null`',
  };
  const word = words[type];
  if (word === undefined) throw new Error(`no word for a setting of type ${type}`);
  return word;
}

function code(text: string): string {
  return `\`${text}\``;
}
