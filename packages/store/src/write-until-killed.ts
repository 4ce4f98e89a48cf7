/** Run by `durability.test.ts` as a process of its own: writes events for ever, and prints each number once it is stored. */
import { createBuildRecords } from './build-records.ts';
import { at } from './conformance/ground.ts';
import { openDatabase } from './open-database.ts';

const [directory, buildId] = process.argv.slice(2);
if (!directory || !buildId) throw new Error('usage: write-until-killed <directory> <build id>');
const { db } = await openDatabase({ directory });
const records = createBuildRecords(db);
for (let number = 0; ; number += 1) {
  const event = { type: 'preflight.warning', message: `${number}` } as const;
  await records.appendEvent({ buildId, event, at: at(number) });
  process.stdout.write(`${number}\n`);
}
