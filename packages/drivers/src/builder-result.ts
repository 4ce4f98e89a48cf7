import { failureOf } from '@hephy/core';
import type { BuilderResult } from './driver.ts';

const digestPattern = /^sha256:[0-9a-f]{64}$/;

/**
 * What a builder's end means. `exit` is `phase code` as builder.bash records it: the phase that ended with the code, or
 * `done`, or what stopped it. Undefined: it vanished.
 */
export function readResult(ended: {
  readonly exit: string | undefined;
  readonly digest: string | undefined;
  readonly platform: string | undefined;
}): BuilderResult {
  const [phase = '', code = ''] = (ended.exit ?? '').trim().split(' ');
  const exitCode = Number(code);
  const where = ended.platform === undefined ? {} : { platform: ended.platform };
  switch (phase) {
    case 'done':
      return readDigest(ended.digest, where);
    case 'build':
      return { ok: false, failure: failureOf('BuildFailed', { ...where, exitCode }) };
    case 'push': {
      const detail = `the push of the image ended with exit code ${exitCode}; its log says more`;
      return { ok: false, failure: failureOf('RegistryUnavailable', { ...where, detail }) };
    }
    case 'timelimit':
      return { ok: false, failure: failureOf('TimeLimitExceeded', where) };
    case 'full':
      return { ok: false, failure: failureOf('DiskFull', where) };
    case 'missing':
      return { ok: false, failure: failureOf('BuilderMissing', where) };
    case 'canceled':
      return { ok: false, failure: failureOf('BuilderLost', { ...where, detail: 'canceled' }) };
    default:
      return { ok: false, failure: failureOf('BuilderLost', where) };
  }
}

function readDigest(
  text: string | undefined,
  where: { readonly platform?: string },
): BuilderResult {
  const digest = text?.trim() ?? '';
  if (digestPattern.test(digest)) return { ok: true, exitCode: 0, digest };
  const detail = 'the builder ended well and wrote no digest';
  return { ok: false, failure: failureOf('DigestMissing', { ...where, detail }) };
}
