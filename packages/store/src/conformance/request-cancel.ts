import { describe, expect, it } from 'vitest';
import { at, type Ground } from './ground.ts';

const wish = { by: 'ada', reason: 'wrong branch', at: at(5) };

export function describeCancel(ground: () => Ground): void {
  describe('requesting a cancel', () => {
    it('notes the first wish, tells it once, and grants the same again', async () => {
      const { records, seed, read, events } = ground();
      const { id: buildId, version } = await seed();
      const granted = { ok: true, version: version + 1 };
      expect(await records.requestCancel({ ...wish, buildId })).toEqual(granted);
      const again = { buildId, by: 'client', reason: 'gone', at: at(6) };
      expect(await records.requestCancel(again)).toEqual(granted);
      expect((await read(buildId)).build.cancelRequest).toEqual({ ...wish, superseded: false });
      const { by, reason } = wish;
      expect(await events(buildId)).toEqual([{ type: 'cancel.requested', by, reason }]);
    });

    it('notes that a newer push takes the place, and a later wish changes nothing about it', async () => {
      const { records, seed, read } = ground();
      const { id: buildId } = await seed();
      const superseded = { ...wish, superseded: true };
      expect(await records.requestCancel({ ...superseded, buildId })).toMatchObject({ ok: true });
      expect(await records.requestCancel({ ...wish, buildId })).toMatchObject({ ok: true });
      expect((await read(buildId)).build.cancelRequest).toEqual(superseded);
    });

    it('tells one of ten wishes that come side by side', async () => {
      const { records, seed, events } = ground();
      const { id: buildId } = await seed();
      await Promise.all(
        Array.from({ length: 10 }, () => records.requestCancel({ ...wish, buildId })),
      );
      expect(await events(buildId)).toHaveLength(1);
    });

    it('grants a wish for a build that is being stopped anyway, and adds nothing to it', async () => {
      const { records, seed, read } = ground();
      const { id: buildId, version } = await seed({ state: 'canceling' });
      expect(await records.requestCancel({ ...wish, buildId })).toEqual({ ok: true, version });
      expect((await read(buildId)).build.cancelRequest).toBeNull();
    });

    it.each(['publishing', 'releasing'] as const)('is too late while %s', async (state) => {
      const { records, seed, read } = ground();
      const build = await seed({ state });
      const refused = { ok: false, why: 'TooLate' };
      expect(await records.requestCancel({ ...wish, buildId: build.id })).toEqual(refused);
      expect((await read(build.id)).build).toEqual(build);
    });

    it.each(['succeeded', 'failed', 'canceled', 'superseded'] as const)(
      'is refused once the build has %s',
      async (state) => {
        const { id: buildId } = await ground().seed({ state });
        const refused = { ok: false, why: 'Ended' };
        expect(await ground().records.requestCancel({ ...wish, buildId })).toEqual(refused);
      },
    );

    it('does not find a build that is not there', async () => {
      const refused = { ok: false, why: 'NotFound' };
      const input = { ...wish, buildId: '01JNONE' };
      expect(await ground().records.requestCancel(input)).toEqual(refused);
    });
  });
}
