import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { migrate, openDatabase } from '@hephy/store';
import { startHephy } from '../../test/parts/hephy.ts';
import { median, seconds, timed, type Figure } from '../figure.ts';

const runs = 5;

export const startUp: Figure = {
  name: 'start-up',
  about: '`hephy up` on a new data folder until it is ready (p50)',
  goal: '≤ 5 s',
  async measure() {
    const fresh: number[] = [];
    const again: number[] = [];
    const floors: number[] = [];
    for (let number = 0; number < runs; number += 1) {
      let hephy: Awaited<ReturnType<typeof startHephy>> | undefined;
      fresh.push(await timed(async () => (hephy = await startHephy())));
      await hephy?.end('SIGTERM');
      again.push(await timed(async () => hephy?.start()));
      await hephy?.close();
      floors.push(await openNewDatabase());
    }
    return {
      measured: seconds(median(fresh)),
      floor: `${seconds(median(floors))} (a new embedded database alone)`,
      ratio: median(fresh) / median(floors),
      met: median(fresh) <= 5_000,
      notes: [
        `${runs} starts; on a data folder that is there already: p50 ${seconds(median(again))}`,
      ],
    };
  },
};

async function openNewDatabase(): Promise<number> {
  const directory = await mkdtemp(join(tmpdir(), 'hb-'));
  try {
    return await timed(async () => {
      const database = await openDatabase({ directory });
      await migrate(database.db);
      await database.close();
    });
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
