/** A second push while a build of the app runs: it waits for its turn, or takes the build's place. */
import { expect, test } from 'vitest';
import { runHephy } from '../parts/run-hephy.ts';
import {
  amd64,
  buildersGone,
  push,
  remoteRefs,
  startPush,
  tiny,
  waitsAt,
  type Service,
} from './ground.ts';

export function whileBuilding(open: () => Service): void {
  test('a push takes the place of the build that runs: its builder ends, and its pusher learns why', async () => {
    const service = open();
    const { hephy, gate } = service;
    const app = await hephy.createApp('hasty', { ...amd64, pushWhileBuilding: 'supersede' });
    const older = await app.commit(waitsAt('hasty', service));
    const first = startPush(app);
    await gate.arrived('hasty');
    const newer = await app.commit(tiny);
    const second = startPush(app);
    await second.seen('remote: -----> Superseding build 1 of hasty, which operator pushed');
    const superseded = await first.result;
    const reason = `operator pushed ${newer.slice(0, 8)}`;
    expect(superseded.stderr).toContain(`remote: -----> Canceling: ${reason}\n`);
    expect(superseded.stderr).toContain(
      `! [remote rejected] main -> main (superseded: ${reason} (build 1))\n`,
    );
    expect(superseded.exitCode).toBe(1);
    const logs = await runHephy(['logs', '-f', '1', '-a', 'hasty'], { cwd: hephy.folder, hephy });
    expect(logs).toMatchObject({ code: 1, stdout: expect.stringContaining(`: ${reason}\n`) });
    expect(await second.result).toMatchObject({ exitCode: 0 });
    expect(await hephy.ended('hasty', 1)).toMatchObject({ state: 'superseded' });
    expect(await hephy.readTag('hasty', `git-${older.slice(0, 8)}`)).toBeUndefined();
    expect(await remoteRefs(app)).toContain(`${newer}\trefs/heads/main`);
    await buildersGone(service);
  });

  test('a push waits for the build that runs; killed with -9 meanwhile, the build goes on, and a push waits for it again', async () => {
    const service = open();
    const { hephy, gate } = service;
    const app = await hephy.createApp('patient', { ...amd64, pushWhileBuilding: 'queue' });
    const older = await app.commit(waitsAt('patient', service));
    const first = startPush(app);
    await gate.arrived('patient');
    const newer = await app.commit(tiny);
    const second = startPush(app);
    const waits =
      'remote: -----> Waiting for build 1 of patient, which operator pushed (watch it: hephy logs -f 1 -a patient)';
    await second.seen(waits);
    await hephy.end('SIGKILL');
    for (const { result } of [first, second]) expect((await result).exitCode).not.toBe(0);
    await hephy.start();
    const third = startPush(app);
    await third.seen(waits);
    gate.open('patient');
    const { stderr, exitCode } = await third.result;
    expect(exitCode).toBe(0);
    // Its client believed that there was no such branch yet.
    expect(stderr).toContain(`${older.slice(0, 7)}..${newer.slice(0, 7)}  main -> main`);
    expect((await hephy.builds('patient')).map(({ number, state }) => ({ number, state }))).toEqual(
      [
        { number: 2, state: 'succeeded' },
        { number: 1, state: 'succeeded' },
      ],
    );
    expect(await hephy.readTag('patient', 'latest')).toBe(
      await hephy.readTag('patient', `git-${newer.slice(0, 8)}`),
    );
    expect((await push(app)).stderr).toContain('Everything up-to-date');
    await buildersGone(service);
  });
}
