/** A second push while a build of the app runs: it waits for its turn, or takes the build's place. */
import { expect, test } from 'vitest';
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
  test('a push waits for the build that runs, and is released after it', async () => {
    const service = open();
    const { hephy, gate } = service;
    const app = await hephy.createApp('patient', { ...amd64, pushWhileBuilding: 'queue' });
    const older = await app.commit(waitsAt('patient', service));
    const first = startPush(app);
    await gate.arrived('patient');
    const newer = await app.commit(tiny);
    const second = startPush(app);
    await second.seen(
      'remote: -----> Waiting for build 1 of patient, which operator pushed (watch it: hephy logs -f 1 -a patient)',
    );
    gate.open('patient');
    expect((await first.result).exitCode).toBe(0);
    const { stderr, exitCode } = await second.result;
    expect(exitCode).toBe(0);
    expect(stderr).toContain(`${older.slice(0, 7)}..${newer.slice(0, 7)}  main -> main`);
    expect(await hephy.readTag('patient', 'latest')).toBe(
      await hephy.readTag('patient', `git-${newer.slice(0, 8)}`),
    );
    await buildersGone(service);
  });

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
    expect(await second.result).toMatchObject({ exitCode: 0 });
    expect(await hephy.ended('hasty', 1)).toMatchObject({ state: 'superseded' });
    expect(await hephy.readTag('hasty', `git-${older.slice(0, 8)}`)).toBeUndefined();
    expect(await remoteRefs(app)).toContain(`${newer}\trefs/heads/main`);
    await buildersGone(service);
  });

  test('killed with -9 while a push builds and another waits, the build goes on and holds nobody up after its end', async () => {
    const service = open();
    const { hephy, gate } = service;
    const app = await hephy.createApp('crash', { ...amd64, pushWhileBuilding: 'queue' });
    const older = await app.commit(waitsAt('crash', service));
    const first = startPush(app);
    await gate.arrived('crash');
    await app.commit(tiny);
    const second = startPush(app);
    await second.seen('remote: -----> Waiting for build 1');
    await hephy.end('SIGKILL');
    for (const { result } of [first, second]) expect((await result).exitCode).not.toBe(0);
    await hephy.start();
    const third = startPush(app);
    await third.seen('remote: -----> Waiting for build 1');
    gate.open('crash');
    expect(await third.result).toMatchObject({ exitCode: 0 });
    expect(await hephy.ended('crash', 1)).toMatchObject({ state: 'succeeded', sha: older });
    expect((await hephy.builds('crash')).map(({ state }) => state)).toEqual([
      'succeeded',
      'succeeded',
    ]);
    expect((await push(app)).stderr).toContain('Everything up-to-date');
    await buildersGone(service);
  });
}
