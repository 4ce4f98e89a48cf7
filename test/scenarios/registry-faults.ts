/** A registry that refuses, breaks, lies or does not recover: one sentence for the pusher, and no tag. */
import { beforeAll, describe, expect, test } from 'vitest';
import type { Fault } from '../parts/fault-proxy.ts';
import type { WorkTree } from '../parts/git-client.ts';
import { amd64, buildersGone, push, tiny, type Service } from './ground.ts';

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

/** As ECR says it, also of the content that the tag has. */
const fixed = {
  method: 'PUT',
  path: /\/fixed\/manifests\/latest$/,
  do: 'answer',
  status: 400,
  body: JSON.stringify({
    errors: [
      {
        code: 'TAG_INVALID',
        message: `The image tag 'latest' already exists in the 'fixed' repository and cannot be overwritten because the tag is immutable.`,
      },
    ],
  }),
  times: Infinity,
} as const;

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

  describe('with a tag that the registry lets nobody move', () => {
    let app: WorkTree;
    let commits = 0;
    const pushNext = async () => {
      await app.commit({ ...tiny, a: String((commits += 1)) });
      return push(app);
    };
    const refusal =
      /! \[remote rejected\] main -> main \(the registry forbids moving the tag; allow it there, or set movingTag of the app to null: .* TAG_INVALID .* \(build \d+\)\)/;
    beforeAll(async () => {
      app = await open().hephy.createApp('fixed', amd64);
      const { exitCode } = await pushNext();
      expect(exitCode).toBe(0);
    });

    test('nothing is built, and nothing is tagged', async () => {
      const { hephy, proxy, builders } = open();
      await buildersGone({ builders });
      const released = await hephy.readTag('fixed', 'latest');
      proxy.script(fixed);
      const begunMs = performance.now();
      const { stderr, exitCode } = await pushNext();
      process.stderr.write(`refused after ${Math.round(performance.now() - begunMs)} ms\n`);
      expect(stderr).toMatch(refusal);
      expect(stderr).not.toContain('-----> Building');
      expect(exitCode).toBe(1);
      expect(await builders()).toEqual([]);
      const writes = proxy.requests.filter(({ method }) => method === 'PUT');
      expect(writes.map(({ path }) => path)).toEqual(['/v2/fixed/manifests/latest']);
      const [build] = await hephy.builds('fixed');
      expect(build).toMatchObject({ state: 'failed', failure: { reason: 'TagImmutable' } });
      expect(released).toBeDefined();
      expect(await hephy.readTag('fixed', 'latest')).toBe(released);
    });

    test('once it may move it is asked about no more, until it may not again', async () => {
      const { hephy, proxy } = open();
      proxy.script();
      const released = await hephy.readTag('fixed', 'latest');
      expect((await push(app)).exitCode).toBe(0);
      const moved = await hephy.readTag('fixed', 'latest');
      expect(moved).not.toBe(released);
      proxy.script(fixed);
      const late = await pushNext();
      expect(late.stderr).toContain('-----> Building');
      expect(late.stderr).toMatch(refusal);
      const early = await pushNext();
      expect(early.stderr).not.toContain('-----> Building');
      expect(early.stderr).toMatch(refusal);
      expect(await hephy.readTag('fixed', 'latest')).toBe(moved);
      proxy.script();
    });
  });
}
