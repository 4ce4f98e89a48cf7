import { readFileSync } from 'node:fs';
import type { z } from 'zod';
import { nearestName } from './nearest-name.ts';
import type { ListenAddress } from './environment-schemas.ts';
import { variables, type Variable, type VariableName } from './environment-table.ts';
import type { Secret } from './secret.ts';

export type { ListenAddress };

/** What the environment says, parsed. Null stands for "not set": then the embedded kind is used, where there is one. */
export interface Settings {
  readonly dataDirectory: string;
  readonly databaseUrl: Secret | null;
  readonly redisUrl: Secret | null;
  readonly registry: {
    /** `host[:port][/prefix]` */
    readonly address: string;
    readonly plainHttp: boolean;
    readonly credentials: Credentials | null;
    /** `ecr-login` of `docker-credential-ecr-login`; never beside `credentials`. */
    readonly credentialHelper: string | null;
    /** Of builders alone; null: they use `credentials`. */
    readonly builderCredentials: Credentials | null;
  } | null;
  readonly driver: 'local' | 'kubernetes';
  readonly kubernetes: {
    readonly kubeconfig: string | null;
    readonly namespace: string;
    readonly image: string | null;
    readonly kanikoImage: string | null;
    readonly kanikoVersion: string;
    readonly kanikoHttp1: boolean;
    readonly kanikoLingerSeconds: number | null;
    readonly kanikoTelemetryUrl: string | null;
    readonly cacheRepository: string | null;
    readonly cacheClaim: string | null;
    readonly certificates: string | null;
    readonly builderMemory: string;
    readonly builderDisk: string;
    readonly isolation: 'together' | 'split' | null;
    /** A docker `config.json`, not parsed. */
    readonly builderPullConfig: Secret | null;
    readonly builderServiceAccount: string | null;
    readonly imagePullSecrets: readonly string[];
    readonly tolerations: Values['HEPHY_BUILDER_TOLERATIONS'];
  };
  /** Null: sources lie in a folder of the data. */
  readonly s3: {
    readonly bucket: string;
    readonly prefix: string;
    readonly region: string;
    readonly endpoint: string | null;
    readonly credentials: {
      readonly accessKeyId: string;
      readonly secretAccessKey: Secret;
    } | null;
  } | null;
  readonly baseMirrors: readonly { readonly from: string; readonly to: string }[];
  readonly listen: {
    readonly git: ListenAddress;
    readonly api: ListenAddress;
    readonly registry: ListenAddress;
    readonly sources: ListenAddress;
    readonly health: ListenAddress | null;
  };
  readonly publicUrls: {
    readonly git: string | null;
    readonly api: string | null;
    readonly sources: string | null;
  };
  readonly hookAllow: readonly string[];
  readonly maxPushBytes: number;
  readonly maxSourceBytes: number;
  readonly workerConcurrency: number;
  readonly publisherConcurrency: number;
  readonly shutdownMs: number;
  readonly logLevel: string;
}

interface Credentials {
  readonly username: string;
  readonly password: Secret;
}

export type EnvironmentResult =
  | { readonly ok: true; readonly settings: Settings }
  /** Each a sentence that names the variable and what is expected. */
  | { readonly ok: false; readonly problems: readonly string[] };

export type Environment = Readonly<Record<string, string | undefined>>;

/** Parses all HEPHY_ variables, and answers every problem at once. For a secret, `<name>_FILE` may name its file. */
export function readEnvironment(
  environment: Environment,
  readFile: (path: string) => string = (path) => readFileSync(path, 'utf8'),
): EnvironmentResult {
  const problems = describeUnknown(environment);
  const parsed = Object.entries<Variable<unknown>>(variables).map(([name, variable]) => {
    const read = readVariable(name, { variable, environment, readFile });
    if (!read.ok) problems.push(read.problem);
    return [name, read.ok ? read.value : null];
  });
  problems.push(...describeMissing(environment));
  if (problems.length > 0) return { ok: false, problems };
  // Each value comes from the schema under its own name.
  const values = Object.fromEntries(parsed) as Values;
  if (values.HEPHY_S3_BUCKET !== null && values.HEPHY_MAX_SOURCE_MB > maxObjectBytes) {
    const most = maxObjectBytes / 1024 ** 2;
    problems.push(`HEPHY_S3_BUCKET takes no larger sources; set HEPHY_MAX_SOURCE_MB to ${most}`);
    return { ok: false, problems };
  }
  return { ok: true, settings: settingsOf(values) };
}

/** Of one PUT. Source: Amazon S3 User Guide, "Uploading objects". */
const maxObjectBytes = 5 * 1024 ** 3;

const pairs = [
  ['HEPHY_REGISTRY_USERNAME', 'HEPHY_REGISTRY_PASSWORD'],
  ['HEPHY_BUILDER_USERNAME', 'HEPHY_BUILDER_PASSWORD'],
  ['HEPHY_S3_ACCESS_KEY_ID', 'HEPHY_S3_SECRET_ACCESS_KEY'],
] as const;

/** Variables that need others, which are not set. */
function describeMissing(environment: Environment): string[] {
  const has = (name: string): boolean =>
    isSet(environment, name) || isSet(environment, `${name}_FILE`);
  const halves = pairs
    .filter(([one, other]) => has(one) !== has(other))
    .map(([one, other]) => `${one} and ${other} go together; set the other one too`);
  const isKubernetes = environment['HEPHY_DRIVER'] === 'kubernetes';
  const needed = isKubernetes ? ['HEPHY_REGISTRY', 'HEPHY_IMAGE', 'HEPHY_KANIKO_IMAGE'] : [];
  const ofBucket = ['HEPHY_S3_PREFIX', 'HEPHY_S3_ENDPOINT', 'HEPHY_S3_ACCESS_KEY_ID'];
  const useless = has('HEPHY_S3_BUCKET') ? [] : ofBucket.filter(has);
  const helper = 'HEPHY_REGISTRY_CREDENTIAL_HELPER';
  const bothSet = has(helper) && has('HEPHY_REGISTRY_USERNAME');
  return [
    ...(bothSet ? [`${helper} and HEPHY_REGISTRY_USERNAME are both set; set one of them`] : []),
    ...halves,
    ...needed
      .filter((name) => !has(name))
      .map((name) => `HEPHY_DRIVER=kubernetes needs ${name}; set it too`),
    ...useless.map((name) => `${name} needs HEPHY_S3_BUCKET; set it too`),
  ];
}

type Values = {
  readonly [Name in VariableName]: (typeof variables)[Name] extends { fallback: string }
    ? ValueOf<Name>
    : ValueOf<Name> | null;
};
type ValueOf<Name extends VariableName> = z.output<(typeof variables)[Name]['schema']>;

function settingsOf(values: Values): Settings {
  const { HEPHY_REGISTRY: address } = values;
  return {
    dataDirectory: values.HEPHY_DATA,
    databaseUrl: values.HEPHY_DATABASE_URL,
    redisUrl: values.HEPHY_REDIS_URL,
    registry:
      address === null
        ? null
        : {
            address,
            plainHttp: values.HEPHY_REGISTRY_PLAIN_HTTP,
            credentials: credentialsOf(
              values.HEPHY_REGISTRY_USERNAME,
              values.HEPHY_REGISTRY_PASSWORD,
            ),
            credentialHelper: values.HEPHY_REGISTRY_CREDENTIAL_HELPER,
            builderCredentials: credentialsOf(
              values.HEPHY_BUILDER_USERNAME,
              values.HEPHY_BUILDER_PASSWORD,
            ),
          },
    driver: values.HEPHY_DRIVER,
    kubernetes: kubernetesOf(values),
    s3: s3Of(values),
    baseMirrors: values.HEPHY_BASE_MIRROR,
    listen: {
      git: values.HEPHY_LISTEN_GIT,
      api: values.HEPHY_LISTEN_API,
      registry: values.HEPHY_LISTEN_REGISTRY,
      sources: values.HEPHY_LISTEN_SOURCES,
      health: values.HEPHY_LISTEN_HEALTH,
    },
    publicUrls: {
      git: values.HEPHY_PUBLIC_GIT_URL,
      api: values.HEPHY_PUBLIC_API_URL,
      sources: values.HEPHY_PUBLIC_SOURCES_URL,
    },
    hookAllow: values.HEPHY_HOOK_ALLOW,
    maxPushBytes: values.HEPHY_MAX_PUSH_MB,
    maxSourceBytes: values.HEPHY_MAX_SOURCE_MB,
    workerConcurrency: values.HEPHY_WORKER_CONCURRENCY,
    publisherConcurrency: values.HEPHY_PUBLISHER_CONCURRENCY,
    shutdownMs: values.HEPHY_SHUTDOWN_SECONDS * 1000,
    logLevel: values.HEPHY_LOG_LEVEL,
  };
}

function s3Of(values: Values): Settings['s3'] {
  const { HEPHY_S3_ACCESS_KEY_ID: accessKeyId, HEPHY_S3_SECRET_ACCESS_KEY: secretAccessKey } =
    values;
  if (values.HEPHY_S3_BUCKET === null) return null;
  return {
    bucket: values.HEPHY_S3_BUCKET,
    prefix: values.HEPHY_S3_PREFIX,
    region: values.HEPHY_S3_REGION,
    endpoint: values.HEPHY_S3_ENDPOINT,
    credentials:
      accessKeyId !== null && secretAccessKey !== null ? { accessKeyId, secretAccessKey } : null,
  };
}

function kubernetesOf(values: Values): Settings['kubernetes'] {
  return {
    kubeconfig: values.HEPHY_KUBECONFIG,
    namespace: values.HEPHY_NAMESPACE,
    image: values.HEPHY_IMAGE,
    kanikoImage: values.HEPHY_KANIKO_IMAGE,
    kanikoVersion: values.HEPHY_KANIKO_VERSION,
    kanikoHttp1: values.HEPHY_KANIKO_HTTP1,
    kanikoLingerSeconds: values.HEPHY_KANIKO_LINGER_SECONDS,
    kanikoTelemetryUrl: values.HEPHY_KANIKO_TELEMETRY_URL,
    cacheRepository: values.HEPHY_CACHE_REPOSITORY,
    cacheClaim: values.HEPHY_CACHE_CLAIM,
    certificates: values.HEPHY_CERTIFICATES,
    builderMemory: values.HEPHY_BUILDER_MEMORY,
    builderDisk: values.HEPHY_BUILDER_DISK,
    isolation: values.HEPHY_ISOLATION,
    builderPullConfig: values.HEPHY_BUILDER_PULL_CONFIG,
    builderServiceAccount: values.HEPHY_BUILDER_SERVICE_ACCOUNT,
    imagePullSecrets: values.HEPHY_IMAGE_PULL_SECRETS,
    tolerations: values.HEPHY_BUILDER_TOLERATIONS,
  };
}

function credentialsOf(username: string | null, password: Secret | null): Credentials | null {
  return username !== null && password !== null ? { username, password } : null;
}

interface VariableSource {
  readonly variable: Variable<unknown>;
  readonly environment: Environment;
  readonly readFile: (path: string) => string;
}

type ReadVariable = { ok: true; value: unknown } | { ok: false; problem: string };

/** Reads one variable, or its file. The value itself is never part of a problem: it may be a secret. */
function readVariable(name: string, source: VariableSource): ReadVariable {
  const { variable, environment } = source;
  const fileName = `${name}_FILE`;
  if (variable.secret && isSet(environment, fileName)) {
    if (isSet(environment, name))
      return { ok: false, problem: `${name} and ${fileName} are both set; set one of them` };
    return readVariableFile(name, source);
  }
  const text = isSet(environment, name) ? environment[name] : variable.fallback;
  return text === undefined ? { ok: true, value: null } : parse(name, { text, variable });
}

function readVariableFile(
  name: string,
  { variable, environment, readFile }: VariableSource,
): ReadVariable {
  const path = environment[`${name}_FILE`] ?? '';
  try {
    return parse(`the content of ${name}_FILE`, {
      text: readFile(path).replace(/\r?\n$/, ''),
      variable,
    });
  } catch (error) {
    const why = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
    return {
      ok: false,
      problem: `${name}_FILE names ${path}, which cannot be read (${why}); set it to a file with the value`,
    };
  }
}

function parse(
  what: string,
  { text, variable }: { text: string; variable: Variable<unknown> },
): ReadVariable {
  const parsed = variable.schema.safeParse(text);
  if (parsed.success) return { ok: true, value: parsed.data };
  return { ok: false, problem: `${what} is not valid; set it to ${variable.expects}` };
}

/** An empty variable counts as not set: that is how compose files and charts leave one out. */
function isSet(environment: Environment, name: string): boolean {
  return (environment[name] ?? '') !== '';
}

function describeUnknown(environment: Environment): string[] {
  const known = Object.entries<Variable<unknown>>(variables).flatMap(([name, { secret }]) =>
    secret ? [name, `${name}_FILE`] : [name],
  );
  return Object.keys(environment)
    .filter((name) => name.startsWith('HEPHY_') && !known.includes(name))
    .map((name) => `${name} is not a variable of ours; did you mean ${nearestName(name, known)}?`);
}
