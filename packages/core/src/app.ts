import { z } from 'zod';
import { BuildOptions } from './build-options.ts';

/** App names are part of URLs, repositories and Kubernetes names. Source: Hephy's app id rule, RFC 1123 label. */
export const AppName = z
  .string()
  .regex(
    /^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$/,
    'use 1 to 63 lower-case letters, digits and dashes, starting with a letter',
  );

/** A tag. Source: OCI distribution-spec v1.1, "Pulling manifests". */
export const TagName = z
  .string()
  .regex(/^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/, 'is not a valid image tag');

/** A branch name that is safe as the tail of `refs/heads/`. Source: git check-ref-format, narrowed. */
export const BranchName = z
  .string()
  .max(200)
  .regex(/^[A-Za-z0-9_](?:[A-Za-z0-9._/-]*[A-Za-z0-9_-])?$/, 'is not a branch name we accept')
  .refine((name) => !/\.\.|\/\/|\/\.|\.lock(\/|$)/.test(name), 'is not a branch name we accept');

/** A path inside the repository: relative, no `..`, no leading dash. `.` is the top. */
export const RepositoryPath = z
  .string()
  .min(1)
  .max(500)
  .refine((path) => !path.startsWith('/') && !path.startsWith('-'), 'must be a relative path')
  .refine((path) => !path.split('/').includes('..'), 'must not leave the repository')
  .refine((path) => !/[\0-\x1f\x7f]/.test(path), 'must not hold control characters');

const BuildArgName = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'is not a build argument name');
const LabelName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._/-]*$/, 'is not a label name');
const OneLine = z
  .string()
  .max(4096)
  .refine((value) => !value.includes('\0'), 'must not hold NUL');

/** What an app's owner may set. `platforms` are canonical `os/architecture[/variant]`, without duplicates. */
export const AppSettings = z.strictObject({
  /** The branch that a push deploys. Null until the first push names it: `main` or `master`. */
  deployBranch: BranchName.nullable().default(null),
  /** Without it: what the server builds natively. */
  platforms: z.array(z.string()).min(1).max(16).default(['linux/amd64', 'linux/arm64']),
  /** Refuse a platform that no machine of the driver is. False allows COPY-only Dockerfiles for it. */
  requireNativeNodes: z.boolean().default(true),
  /** What a push does while a build of the app runs: it is refused, waits for its end, or takes its place. */
  pushWhileBuilding: z.enum(['refuse', 'queue', 'supersede']).default('refuse'),
  /** How long a platform may wait for its first ready node, where an autoscaler brings one; 0 refuses at once. */
  waitForNodesSeconds: z.number().int().min(0).max(1200).default(0),
  dockerfilePath: RepositoryPath.default('Dockerfile'),
  contextPath: RepositoryPath.default('.'),
  target: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/)
    .nullable()
    .default(null),
  buildArgs: z.record(BuildArgName, OneLine).default({}),
  labels: z.record(LabelName, OneLine).default({}),
  ...BuildOptions.shape,
  /** The tag that follows the newest release; null for none. */
  movingTag: TagName.nullable().default('latest'),
  /** Whether an app with one platform gets an index too. More than one platform always gets one. */
  publishIndex: z.boolean().default(false),
  timeLimitSeconds: z.number().int().min(10).max(86_400).default(1800),
  /** Where the release hook posts to; its secret is set beside it and never read back. */
  hookUrl: z
    .url({ protocol: /^https?$/ })
    .max(2000)
    .nullable()
    .default(null),
});
export type AppSettings = z.infer<typeof AppSettings>;

export interface App {
  readonly id: string;
  readonly name: string;
  readonly settings: AppSettings;
  readonly createdAt: Date;
}

/** What a user may do with an app. Each right includes the ones before it. */
export const Right = z.enum(['reader', 'deployer', 'owner']);
export type Right = z.infer<typeof Right>;

const rank: Record<Right, number> = { reader: 0, deployer: 1, owner: 2 };

/** Whether `held` covers `needed`. An operator holds every right on every app. */
export function mayUse(
  who: { readonly operator: boolean; readonly right: Right | undefined },
  needed: Right,
): boolean {
  return who.operator || (who.right !== undefined && rank[who.right] >= rank[needed]);
}
