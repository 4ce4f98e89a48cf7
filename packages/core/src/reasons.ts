/**
 * Why something failed: a closed list. `docs/reasons.md` is generated from it, so each entry carries what an operator
 * needs at 3 a.m.: what it means and what to do. The class decides who is told and whether we try again by ourselves.
 */
import { z } from 'zod';

export type ReasonClass = 'user' | 'infrastructure' | 'registry' | 'hook' | 'internal';

interface ReasonFacts {
  readonly class: ReasonClass;
  /** Whether the same attempt may succeed later without anybody changing anything. */
  readonly retried: boolean;
  readonly means: string;
  readonly todo: string;
}

const user = (means: string, todo: string): ReasonFacts => ({
  class: 'user',
  retried: false,
  means,
  todo,
});
const registry = (retried: boolean, means: string, todo: string): ReasonFacts => ({
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
    'The app asks for a platform that this machine is not, and the app requires native nodes.',
    'Use a driver with nodes of that architecture, drop the platform from the app, or set requireNativeNodes to false: then only COPY-like steps work for it.',
  ),
  TimeLimitExceeded: user(
    "A platform build ran longer than the app's time limit.",
    'Make the build shorter, or raise timeLimitSeconds of the app.',
  ),
  SourceTooLarge: user(
    'The files of the pushed commit are larger, unpacked, than the service takes.',
    'Take large files out of the repository, or ask the operator for a higher limit.',
  ),
  BuilderMissing: {
    class: 'infrastructure',
    retried: false,
    means: 'The program that builds images is not installed where the worker runs.',
    todo: 'Run `hephy doctor` on that machine; it prints the command that installs what is missing.',
  },
  BuilderLost: {
    class: 'infrastructure',
    retried: true,
    means: 'The builder vanished without an exit code: it was killed, or its machine restarted.',
    todo: 'Nothing at first: it is tried again. If it stays, look at the memory and the uptime of the machine.',
  },
  DiskFull: {
    class: 'infrastructure',
    retried: false,
    means: 'No space is left where sources, builds or images are kept.',
    todo: 'Free space on the volume that the message names; then `hephy rebuild`.',
  },
  SourceUnavailable: {
    class: 'infrastructure',
    retried: true,
    means: 'The tarball of the pushed commit could not be read, or its sha256 differs.',
    todo: 'Check the source volume; then `hephy rebuild`, or push again.',
  },
  DeadlineExceeded: {
    class: 'infrastructure',
    retried: false,
    means: 'The whole build did not end before its deadline, waiting included.',
    todo: 'See `hephy builds` for what it waited for: too few workers, or a registry that does not answer.',
  },
  RegistryUnavailable: registry(
    true,
    'The registry did not answer, closed the connection, or answered 5xx, through all tries.',
    "Check that the registry is up and reachable from the publisher's machine; then `hephy rebuild`.",
  ),
  RateLimited: registry(
    true,
    'The registry answered 429 through all tries.',
    'Wait until its limit is over, or ask for a higher one; then `hephy rebuild`.',
  ),
  RegistryUnauthorized: registry(
    false,
    "The registry refused the publisher's credentials (401).",
    'Renew the credentials that the publisher is given; then `hephy rebuild`.',
  ),
  PushDenied: registry(
    false,
    'The registry knows the publisher, and does not let it write to this repository (403).',
    'Give the publisher the push right on the repository; then `hephy rebuild`.',
  ),
  TagImmutable: registry(
    false,
    'The registry forbids moving a tag that exists.',
    'Turn tag immutability off for the moving tag, or set movingTag of the app to null.',
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
});
export type Failure = z.infer<typeof Failure>;

export function isRetried(failure: Failure): boolean {
  return reasons[failure.reason].retried;
}

/** Makes a failure, keeping `detail` on one line, without what a terminal would obey, and within its bound. */
export function failureOf(
  reason: Reason,
  facts: { platform?: string; exitCode?: number; detail?: string } = {},
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

/** One sentence for the user: the thing that failed, and where. Without a full stop, so that it fits git's ref line. */
export function describeFailure(failure: Failure): string {
  const where = failure.platform ? `${failure.platform} ` : '';
  const detail = failure.detail ? `: ${failure.detail}` : '';
  switch (failure.reason) {
    case 'BuildFailed':
      return `${where}exited ${failure.exitCode ?? 'with an error'}${detail}`;
    case 'PlatformNotNative':
      return `this machine cannot build ${failure.platform ?? 'that platform'} natively; add a node of that architecture, or set requireNativeNodes to false`;
    case 'TimeLimitExceeded':
      return `${where}ran longer than its time limit${detail}`;
    case 'SourceTooLarge':
      return `the commit's files are too large${detail}`;
    case 'BuilderMissing':
      return `no image builder on the worker; run \`hephy doctor\` there${detail}`;
    case 'BuilderLost':
      return `${where}builder vanished without an exit code${detail}`;
    case 'DiskFull':
      return `${where}no space left${detail}`;
    case 'SourceUnavailable':
      return `the source of the commit cannot be read${detail}`;
    case 'DeadlineExceeded':
      return `not finished before its deadline${detail}`;
    case 'RegistryUnavailable':
      return `the registry does not answer${detail}`;
    case 'RateLimited':
      return `the registry limits the rate (429)${detail}`;
    case 'RegistryUnauthorized':
      return `the registry refused our credentials (401)${detail}`;
    case 'PushDenied':
      return `the registry does not let us push (403)${detail}`;
    case 'TagImmutable':
      return `the registry forbids moving the tag${detail}`;
    case 'ManifestInvalid':
      return `the registry refused the manifest${detail}`;
    case 'DigestMissing':
      return `the registry does not have the digest that ${where}reported${detail}`;
    case 'DigestMismatch':
      return `${where}digest does not match what the registry holds${detail}`;
    case 'PlatformMismatch':
      return `${where}image is of another platform${detail}`;
    case 'MediaTypeConflict':
      return `${where}image has a media type that the index may not hold${detail}`;
    case 'HookFailed':
      return `published, but the release hook failed${detail}`;
    case 'HookRefused':
      return `published, but the release hook refused${detail}`;
    case 'InternalError':
      return `internal error${detail}`;
  }
}
