/** A registry that refuses, breaks, lies or does not recover: one sentence for the pusher, and no tag. */
import { beforeAll, describe, expect, test } from 'vitest';
import type { Fault } from '../parts/fault-proxy.ts';
import type { WorkTree } from '../parts/git-client.ts';
import { amd64, push, tiny, type Service } from './ground.ts';

/** The publisher's part alone: a builder speaks to the registry too, and may have its own troubles. */
const index = { method: 'PUT', path: /\/faulty\/manifests\/sha256:/ } as const;
const anyTag = { method: 'PUT', path: /\/faulty\/manifests\/(git-[0-9a-f]{8}|latest)$/ } as const;
const tooMany = { do: 'answer', status: 429, headers: { 'retry-after': '1' } } as const;

const refusals: readonly { answer: string; fault: Fault; sentence: RegExp; reason: string }[] = [
  {
    answer: '401',
    fault: { ...index, do: 'answer', status: 401, times: Infinity },
    sentence: /the registry refused our credentials \(401\).* \(build \d+\)/,
    reason: 'RegistryUnauthorized',
  },
  {
    answer: '403',
    fault: { ...index, do: 'answer', status: 403, times: Infinity },
    sentence: /the registry does not let us push: .* answered 403 .* \(build \d+\)/,
    reason: 'PushDenied',
  },
  {
    answer: 'bytes of something else',
    fault: {
      method: 'GET',
      path: /\/faulty\/manifests\/sha256:/,
      do: 'corruptBody',
      times: Infinity,
    },
    // The build's number was cut off once, with the end of a long sentence.
    sentence: /digest does not match what the registry holds.* \(build \d+\)/,
    reason: 'DigestMismatch',
  },
];

export function registryFaults(open: () => Service): void {
  describe('with an index to publish', () => {
    let faulty: WorkTree;
    let commits = 0;
    const commit = (): Promise<string> => faulty.commit({ ...tiny, a: String((commits += 1)) });
    beforeAll(async () => {
      faulty = await open().hephy.createApp('faulty', { ...amd64, publishIndex: true });
    });

    test('a registry that is limited, resets or fails for a moment is asked again, and the push succeeds', async () => {
      const { proxy } = open();
      await commit();
      proxy.script(
        { ...index, ...tooMany },
        { ...index, do: 'answer', status: 503 },
        { ...anyTag, do: 'reset', times: 2 },
        { ...anyTag, do: 'loseAnswer' },
      );
      const { stderr, exitCode } = await push(faulty);
      expect(stderr).toMatch(/-----> Build \d+ succeeded/);
      expect(exitCode).toBe(0);
    });

    test.each(refusals)(
      'a registry that answers $answer: a sentence, and the tags stay',
      async ({ fault, sentence, reason }) => {
        const { hephy, proxy } = open();
        const released = await hephy.readTag('faulty', 'latest');
        await commit();
        proxy.script(fault);
        const { stderr, exitCode } = await push(faulty);
        proxy.script();
        expect(stderr.slice(stderr.indexOf('! [remote rejected] main -> main ('))).toMatch(
          sentence,
        );
        expect(exitCode).toBe(1);
        const [build] = await hephy.builds('faulty');
        expect(build).toMatchObject({ state: 'failed', failure: { reason } });
        expect(released).toBeDefined();
        expect(await hephy.readTag('faulty', 'latest')).toBe(released);
        expect(await hephy.readTag('faulty', `git-${build?.sha.slice(0, 8)}`)).toBeUndefined();
      },
    );

    test('a registry that answers 500 to the end fails the build, and the tags stay', async () => {
      const { hephy, proxy } = open();
      const released = await hephy.readTag('faulty', 'latest');
      await commit();
      proxy.script({ ...index, do: 'answer', status: 500, times: Infinity });
      const { stderr, exitCode } = await push(faulty);
      proxy.script();
      expect(stderr).toMatch(
        /publishing web: the registry does not answer.*; trying again \(attempt 2\)/,
      );
      expect(stderr).toMatch(
        /! \[remote rejected\] main -> main \(the registry does not answer.*\(build \d+\)\)/,
      );
      expect(exitCode).toBe(1);
      expect(released).toBeDefined();
      expect(await hephy.readTag('faulty', 'latest')).toBe(released);
    }, 180_000);
  });
}
