/**
 * Why something failed: a closed list. `docs/reasons.md` is generated from it, so each entry carries what an operator
 * needs at 3 a.m.: what it means and what to do. The class decides who is told and whether we try again by ourselves.
 */
import { z } from 'zod';

export type ReasonClass = 'user' | 'infrastructure' | 'registry' | 'hook' | 'internal';

interface ReasonFacts {
  readonly class: ReasonClass;
  /**
   * Whether another attempt may succeed without anybody changing anything. `once`: the next one is made otherwise, and
   * if it fails in the same way, so would all that come after it.
   */
  readonly retried: boolean | 'once';
  readonly means: string;
  readonly todo: string;
}

const user = (means: string, todo: string): ReasonFacts => ({
  class: 'user',
  retried: false,
  means,
  todo,
});
const infrastructure = (retried: boolean, means: string, todo: string): ReasonFacts => ({
  class: 'infrastructure',
  retried,
  means,
  todo,
});
const registry = (retried: boolean | 'once', means: string, todo: string): ReasonFacts => ({
  class: 'registry',
  retried,
  means,
  todo,
});

export const reasons = {
  BuildFailed: user(
    'A step of the Dockerfile ended with an exit code other than 0.',
    'Read the last lines of that platform in the log, mend the Dockerfile, and push again.',
  ),
  PlatformNotNative: user(
    'The app asks for a platform that neither this machine nor a node of the cluster is, and requires native nodes.',
    'Add a node of that architecture, drop the platform from the app, or set requireNativeNodes to false: then only COPY-like steps work for it. Where an autoscaler brings nodes when pods wait for them, set waitForNodesSeconds.',
  ),
  PlatformUnsupported: infrastructure(
    false,
    'The program that builds images cannot make them for that platform.',
    'Use a newer one, as the message says, or drop the platform from the app.',
  ),
  DockerfileInvalid: user(
    'The Dockerfile has no stage that could be built: no FROM line, one that names no image, or none of the name that the target asks for.',
    'Correct the line that the message names, the build arguments or the target of the app; then push again.',
  ),
  OptionUnsupported: user(
    'The app asks for something that the builder of this service does not have.',
    'Set the option that the message names to another value or to null with `hephy apps set`, then `hephy rebuild`; or ask the operator for a builder that has it.',
  ),
  TimeLimitExceeded: user(
    "A platform build ran longer than the app's time limit.",
    'Make the build shorter, or raise timeLimitSeconds of the app.',
  ),
  SourceTooLarge: user(
    'The files of the pushed commit are larger, unpacked, than the service takes.',
    'Take large files out of the repository, or ask the operator for a higher limit.',
  ),
  BaseImageUnavailable: user(
    'An image that a FROM line names does not exist, is not readable, or lacks the platform.',
    'Correct the FROM line that the message names, or drop the platform from the app; then push again.',
  ),
  LayoutInvalid: user(
    'What the build left is not one whole image: a file of it is missing, foreign, or not what its digest says. It was not pushed.',
    "Look for a step of the Dockerfile that writes below /kaniko, which is the builder's own; if there is none, report it with the log.",
  ),
  OutOfMemory: {
    class: 'user',
    retried: 'once',
    means:
      'The build needed more memory than its builder is given. It is tried once more with more.',
    todo: "Make the build smaller, or ask the operator for more memory for the app's builders.",
  },
  BuilderMissing: infrastructure(
    false,
    'The program that builds images is not installed where the worker runs, or the builder image lacks it.',
    'Run `hephy doctor` on that machine; it prints the command that installs what is missing. In a cluster, correct the builder image.',
  ),
  BuilderLost: infrastructure(
    true,
    'The builder vanished without an exit code: it was killed, or its machine restarted.',
    'Nothing at first: it is tried again. If it stays, look at the memory and the uptime of the machine.',
  ),
  BuilderNotStarted: infrastructure(
    true,
    'A node took the builder and could not start its containers: a Secret, a volume, the network or the container runtime failed.',
    'See the message: the Secret that it names may have been deleted; else look at the container runtime of that node.',
  ),
  BuilderConflict: infrastructure(
    true,
    'A KubeJob of the name of this attempt exists already, and was made from another specification.',
    'Nothing at first: the next attempt has another name. If it stays, two installations share the namespace: give each its own.',
  ),
  ImagePullFailed: infrastructure(
    true,
    'A node cannot pull the image of the builder: it does not exist, needs credentials, or its registry does not answer.',
    "Check the builder image and its pull Secret in the operator's settings, and the way from the node to that registry.",
  ),
  NodesUnavailable: infrastructure(
    false,
    'There are nodes of that architecture, and none takes the builder: not ready, cordoned, tainted, or full.',
    'Read in the message what is wrong with each; make a node ready, add one, or ask for less memory and CPU; then `hephy rebuild`. Where an autoscaler brings nodes, set waitForNodesSeconds of the app.',
  ),
  NodeLost: infrastructure(
    true,
    'The node of the builder stopped answering, shut down, or was removed.',
    'Nothing at first: it is tried again on a node that answers. If it stays, look at that node.',
  ),
  Evicted: infrastructure(
    true,
    'The builder had to leave its node, or was not let in: pressure on memory or disk, a drain, or a pod of higher priority.',
    'Nothing at first: it is tried again. If it stays, give builders larger requests, or nodes of their own.',
  ),
  QuotaExceeded: infrastructure(
    true,
    "The namespace's ResourceQuota has no room for another builder.",
    'Raise the quota that the message names, or run fewer builds at once.',
  ),
  AdmissionRefused: infrastructure(
    false,
    'The cluster refuses the builder: Pod Security, a LimitRange, a missing service account, or a policy.',
    "Correct the rule that the message names, or the operator's settings of builders; then `hephy rebuild`.",
  ),
  ClusterUnavailable: infrastructure(
    true,
    'The API server of the cluster, or a controller that it needs, does not answer.',
    'Check the control plane and the way to it; builders that run go on, and are adopted afterwards.',
  ),
  DiskFull: infrastructure(
    false,
    'No space is left where sources, builds or images are kept, or the builder used more than its limit of disk.',
    'Free space on the volume that the message names, or raise the limit; then `hephy rebuild`.',
  ),
  SourceUnavailable: infrastructure(
    true,
    'The tarball of the pushed commit could not be read, or its sha256 differs.',
    'Check the source volume or the bucket; then `hephy rebuild`, or push again.',
  ),
  SourceNotStored: infrastructure(
    false,
    'The bucket did not take the files of the pushed commit: it does not answer, denies access, or is not there.',
    'Correct what the message names, or wait until the bucket answers: `hephy doctor`, with the settings of the receiver, says whether it does. Then push again.',
  ),
  DeadlineExceeded: infrastructure(
    false,
    'The whole build did not end before its deadline, waiting included.',
    'See `hephy builds` for what it waited for: too few workers, or a registry that does not answer.',
  ),
  RegistryUnavailable: registry(
    true,
    'The registry did not answer, closed the connection, or answered 5xx, through all tries.',
    "Check that the registry is up and reachable from the publisher's machine; then `hephy rebuild`.",
  ),
  Http2Failed: registry(
    'once',
    'A registry, or a proxy before it, broke off what the builder did over HTTP/2.',
    'Nothing at first: it is tried again over HTTP/1.1. If it comes with every build, look at the proxy before the registry.',
  ),
  RateLimited: registry(
    true,
    'The registry answered 429 through all tries.',
    'Wait until its limit is over, or ask for a higher one; then `hephy rebuild`.',
  ),
  RegistryUnauthorized: registry(
    false,
    "The registry refused the publisher's or the builders' credentials (401).",
    'Renew the credentials that they are given; then `hephy rebuild`.',
  ),
  PushDenied: registry(
    false,
    'The registry knows the publisher or the builders, and does not let them write to this repository; or it has no such repository, and makes none by itself.',
    'Give the user that the message names the push right on the repository, or make the repository; then `hephy rebuild`.',
  ),
  TagImmutable: registry(
    false,
    'The registry forbids moving a tag that exists. As a rule that is found out before anything is built.',
    'Turn tag immutability off for the tag that the message names, or, if it is the moving tag, set movingTag of the app to null; then push again. The tag of a commit, `git-…`, is free with the next commit.',
  ),
  ManifestInvalid: registry(
    false,
    'The registry refused a manifest, or answered one that breaks the OCI specification.',
    'See the message of the registry; report it with the build number.',
  ),
  DigestMissing: registry(
    true,
    'A builder reported a digest, and the registry has no manifest under it.',
    'Nothing was tagged. Check whether something deletes untagged manifests; then `hephy rebuild`.',
  ),
  DigestMismatch: registry(
    false,
    'What the registry holds is not what its digest says, or the builder reported a digest of something else.',
    'Nothing was tagged. Treat the registry, the network to it, or the Dockerfile as hostile until explained.',
  ),
  PlatformMismatch: registry(
    false,
    'The image that was built says another platform in its config than the one asked for.',
    'Nothing was tagged. Look for a FROM line that pins a platform or a digest of one architecture.',
  ),
  MediaTypeConflict: registry(
    false,
    'A child is of a media type that the index may not hold.',
    'Nothing was tagged. Build every platform with the same image format.',
  ),
  HookFailed: {
    class: 'hook',
    retried: true,
    means:
      'The image is published and tagged; the release hook did not answer 2xx through all tries.',
    todo: 'Mend the receiver of the hook, then `hephy redeliver`.',
  },
  HookRefused: {
    class: 'hook',
    retried: false,
    means:
      'The image is published and tagged; the hook answered that it does not want the delivery (4xx), or its address is not allowed.',
    todo: "Correct the app's hook address, then `hephy redeliver`.",
  },
  InternalError: {
    class: 'internal',
    retried: true,
    means: 'A mistake of hephy-builder itself.',
    todo: "Look at the process's log for the build id, and report it.",
  },
} as const satisfies Record<string, ReasonFacts>;

export type Reason = keyof typeof reasons;

const reasonNames = Object.keys(reasons) as [Reason, ...Reason[]];

/** A recorded failure. `detail` is one line for people, without secrets, at most 500 characters. */
export const Failure = z.object({
  reason: z.enum(reasonNames),
  platform: z.string().optional(),
  exitCode: z.number().int().optional(),
  detail: z.string().max(500).optional(),
  /** Where it happened, if the fault may be that node's. */
  node: z.string().max(253).optional(),
});
export type Failure = z.infer<typeof Failure>;

/** `past`: why the attempts before the one that failed did. */
export function isRetried({ reason }: Failure, past: readonly Failure[] = []): boolean {
  const { retried } = reasons[reason];
  return retried === 'once' ? past.every((earlier) => earlier.reason !== reason) : retried;
}

/** Makes a failure, keeping `detail` on one line, without what a terminal would obey, and within its bound. */
export function failureOf(
  reason: Reason,
  facts: { platform?: string; exitCode?: number; detail?: string; node?: string } = {},
): Failure {
  const { detail, ...rest } = facts;
  return {
    reason,
    ...rest,
    ...(detail && {
      detail: detail
        .replace(/[\s\p{Cc}\p{Bidi_Control}]+/gu, ' ')
        .trim()
        .slice(0, 500),
    }),
  };
}

/** `where` is the platform and a space, or nothing. */
const sentences: Readonly<Record<Reason, (where: string, failure: Failure) => string>> = {
  BuildFailed: (where, { exitCode }) => `${where}exited ${exitCode ?? 'with an error'}`,
  PlatformNotNative: (_, { platform }) =>
    `${platform ?? 'the platform'} is not native here; add a node of that architecture, drop the platform, or set requireNativeNodes to false`,
  PlatformUnsupported: (where) => `${where}images cannot be built here`,
  DockerfileInvalid: () => 'the Dockerfile cannot be built',
  OptionUnsupported: () => 'the builder cannot do what the app asks',
  TimeLimitExceeded: (where) => `${where}ran longer than its time limit`,
  SourceTooLarge: () => "the commit's files are too large",
  BaseImageUnavailable: (where) => `${where}base image cannot be used`,
  LayoutInvalid: (where) => `${where}build left no valid image`,
  OutOfMemory: (where) => `${where}ran out of memory`,
  BuilderMissing: () => 'no image builder on the worker; run `hephy doctor` there',
  BuilderLost: (where) => `${where}builder vanished without an exit code`,
  BuilderNotStarted: (where) => `${where}builder could not be started on its node`,
  BuilderConflict: (where) => `${where}builder of that name was made from another specification`,
  ImagePullFailed: (where) => `${where}builder image cannot be pulled`,
  NodesUnavailable: (where) => `no node takes the ${where}builder`,
  NodeLost: (where) => `${where}builder lost its node`,
  Evicted: (where) => `${where}builder had to leave its node`,
  QuotaExceeded: (where) => `no room for the ${where}builder in the quota`,
  AdmissionRefused: (where) => `the cluster refuses the ${where}builder`,
  ClusterUnavailable: () => 'the cluster does not answer',
  DiskFull: (where) => `${where}no space left`,
  SourceUnavailable: () => 'the source of the commit cannot be read',
  SourceNotStored: () => "the commit's files could not be stored",
  DeadlineExceeded: () => 'not finished before its deadline',
  RegistryUnavailable: () => 'the registry does not answer',
  Http2Failed: () => 'the registry broke off over HTTP/2',
  RateLimited: () => 'the registry limits the rate (429)',
  RegistryUnauthorized: () => 'the registry refused our credentials (401)',
  PushDenied: () => 'the registry does not let us push',
  TagImmutable: () =>
    'the registry forbids moving the tag; allow it there, or set movingTag of the app to null',
  ManifestInvalid: () => 'the registry refused the manifest',
  DigestMissing: (where) => `the registry does not have the digest that ${where}reported`,
  DigestMismatch: (where) => `${where}digest does not match what the registry holds`,
  PlatformMismatch: (where) => `${where}image is of another platform`,
  MediaTypeConflict: (where) => `${where}image has a media type that the index may not hold`,
  HookFailed: () => 'published, but the release hook failed',
  HookRefused: () => 'published, but the release hook refused',
  InternalError: () => 'internal error',
};

/** One sentence for the user: the thing that failed, and where. Without a full stop, so that it fits git's ref line. */
export function describeFailure(failure: Failure): string {
  const where = failure.platform ? `${failure.platform} ` : '';
  const detail = failure.detail ? `: ${failure.detail}` : '';
  return `${sentences[failure.reason](where, failure)}${detail}`;
}
