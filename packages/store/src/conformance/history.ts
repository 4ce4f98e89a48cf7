import type { BuildEvent } from '@hephy/core';
import { describe, expect, it } from 'vitest';
import {
  arm64,
  at,
  deliveryWork,
  owner,
  platformWork,
  preflightWork,
  publicationWork,
  type Ground,
} from './ground.ts';

const onPlatform = { platform: arm64, image: 'web', attempt: 1 };

export function describeHistory(ground: () => Ground): void {
  describe('the history that work leaves', () => {
    it('tells a platform build started once, though it is taken over', async () => {
      const { records, seedRunning, events } = ground();
      const key = await seedRunning(platformWork);
      const lease = { owner: 'owner-two', until: at(30_000) };
      await records.claimWork({ key, attempt: 1, lease, at: at(20_000) });
      expect(await events(key.buildId)).toEqual([{ type: 'platform.started', ...onPlatform }]);
    });

    itTellsPlatforms(ground);
    itTellsOthers(ground);
  });
}

function itTellsPlatforms(ground: () => Ground): void {
  it('tells how a platform build ended, and how long it took', async () => {
    const { records, seedRunning, events } = ground();
    const built = await seedRunning(platformWork);
    const digest = 'sha256:abc';
    const success = { state: 'succeeded', result: { exitCode: 0, digest } } as const;
    await records.finishWork({ key: built, owner, outcome: success, at: at(1234) });
    const failed = await seedRunning(platformWork);
    const failure = { reason: 'BuildFailed', exitCode: 2 } as const;
    const outcome = { state: 'failed', failure } as const;
    await records.finishWork({ key: failed, owner, outcome, at: at(55) });
    const finished = { type: 'platform.finished', ...onPlatform };
    expect((await events(built.buildId)).at(-1)).toEqual({
      ...finished,
      state: 'succeeded',
      durationMs: 1234,
      digest,
    });
    expect((await events(failed.buildId)).at(-1)).toEqual({
      ...finished,
      state: 'failed',
      durationMs: 55,
      failure,
    });
  });
}

function itTellsOthers(ground: () => Ground): void {
  const eventsAfter = async (
    work: Parameters<Ground['seedRunning']>[0],
    result: Record<string, unknown>,
  ): Promise<{ events: BuildEvent[]; buildId: string }> => {
    const { records, seedRunning, events } = ground();
    const key = await seedRunning(work);
    await records.finishWork({ key, owner, outcome: { state: 'succeeded', result }, at: at(9) });
    return { events: await events(key.buildId), buildId: key.buildId };
  };

  it('tells each warning of a preflight', async () => {
    const { events } = await eventsAfter(preflightWork, { warnings: ['one', 'two'] });
    expect(events).toEqual([
      { type: 'preflight.warning', message: 'one' },
      { type: 'preflight.warning', message: 'two' },
    ]);
  });

  it('tells where an image was published, from the plan', async () => {
    const tags = [{ tag: 'latest', moved: true }];
    const told = { digest: 'sha256:1', mediaType: 'application/x', tags };
    const result = { ...told, sizeBytes: 3, children: [] };
    const { events, buildId } = await eventsAfter(publicationWork, result);
    const repository = (await ground().read(buildId)).build.plan.images[0]?.repository;
    expect(events).toEqual([{ type: 'publication.finished', image: 'web', repository, ...told }]);
  });

  it('tells what the release hook answered, with the id of the delivery', async () => {
    const { events, buildId } = await eventsAfter(deliveryWork, { status: 204 });
    const [work] = (await ground().read(buildId)).work;
    const deliveryId = work?.kind === 'delivery' ? work.deliveryId : undefined;
    expect(events).toEqual([{ type: 'delivery.finished', deliveryId, status: 204 }]);
  });
}
