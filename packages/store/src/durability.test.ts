import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { makeGround } from './conformance/ground.ts';
import { migrate } from './migrate.ts';
import { openDatabase, type OpenDatabase } from './open-database.ts';
import { recordsOf } from './open-for-test.ts';

const script = fileURLToPath(new URL('write-until-killed.ts', import.meta.url));

it('keeps all that PGlite acknowledged through kill -9, and lets one process in at a time', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'hephy-pglite-'));
  const opened: OpenDatabase[] = [];
  const open = async (): Promise<OpenDatabase> => {
    const database = await openDatabase({ directory });
    opened.push(database);
    return database;
  };
  const first = await open();
  await migrate(first.db);
  const { id: buildId } = await makeGround(recordsOf(first)).seed();
  await first.close();
  const child = spawn(process.execPath, [script, directory, buildId], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  try {
    let acknowledged = -1;
    let refusal = '';
    for await (const line of createInterface({ input: child.stdout })) {
      if (acknowledged < 0) refusal = await open().then(() => 'was let in', String);
      acknowledged = Number(line);
      if (acknowledged >= 300 && !child.killed) child.kill('SIGKILL');
    }
    expect(refusal).toContain(`is in use by process ${child.pid}`);
    expect(acknowledged).toBeGreaterThanOrEqual(300);
    // Its output ends a little before it does.
    await exited;
    const { db } = await open();
    const { count } = await db
      .selectFrom('output')
      .select(({ fn }) => fn.countAll<number>().as('count'))
      .executeTakeFirstOrThrow();
    // The last one may have been stored and not printed.
    expect(count).toBeGreaterThanOrEqual(acknowledged + 1);
    expect(count).toBeLessThanOrEqual(acknowledged + 2);
  } finally {
    child.kill('SIGKILL');
    await exited;
    await opened.at(-1)?.close();
    await rm(directory, { recursive: true, force: true });
  }
});
