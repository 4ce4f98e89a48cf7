/** What every driver does, told through the seam alone. A kind of driver brings the parts; the suite brings the demands. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { BuilderSpec, Driver, LogChunk } from './driver.ts';

/** What a builder of the suite does:
 *  - `succeeds` prints `first` and `last`, and pushes an image whose digest ends in 64 times `a`;
 *  - `fails` prints `failing` and ends with exit code 7;
 *  - `waits` prints `waiting` and never ends by itself;
 *  - `counts` prints the numbers from 1 to 3000, each on its line, with a pause after 1000, and succeeds;
 *  - `refusesPush` builds well, and the registry takes nothing. */
export type Behaviour = 'succeeds' | 'fails' | 'waits' | 'counts' | 'refusesPush';

export interface DriverParts {
  /** A driver as a new process would make it: what an earlier one knew, it can only find. */
  openDriver(): Driver;
  /** A builder with a name that no other has. */
  makeSpec(behaviour: Behaviour): Promise<BuilderSpec>;
  /** The same with a source that does not exist. */
  withoutSource(spec: BuilderSpec): BuilderSpec;
  /** How often the builder's commands were begun. */
  countStarts(spec: BuilderSpec): Promise<number>;
  readonly nativePlatform: string;
  readonly foreignPlatform: string;
  close(): Promise<void>;
}

const deadlineMs = 40_000;
const inTime = (): AbortSignal => AbortSignal.timeout(deadlineMs);

export function driverConformance(kind: string, makeParts: () => Promise<DriverParts>): void {
  describe(`the ${kind} driver`, () => {
    let parts: DriverParts;
    beforeAll(async () => {
      parts = await makeParts();
    });
    afterAll(() => parts.close());
    outcomes(() => parts);
    adoption(() => parts);
    logs(() => parts);
    stopping(() => parts);
    looking(() => parts);
  });
}

function outcomes(parts: () => DriverParts): void {
  test('a builder that ends well answers the digest that it pushed', async () => {
    const { driver, spec } = await start(parts(), 'succeeds');
    const digest = `sha256:${'a'.repeat(64)}`;
    expect(await driver.result(spec.name, { signal: inTime() })).toEqual({
      ok: true,
      exitCode: 0,
      digest,
    });
  });

  test('a failing step is the failure of the build, with its exit code and platform', async () => {
    const { driver, spec } = await start(parts(), 'fails');
    expect(await driver.result(spec.name, { signal: inTime() })).toEqual({
      ok: false,
      failure: { reason: 'BuildFailed', platform: spec.platform, exitCode: 7 },
    });
  });

  test('a push that the registry does not take is not the failure of the Dockerfile', async () => {
    const { driver, spec } = await start(parts(), 'refusesPush');
    expect(await driver.result(spec.name, { signal: inTime() })).toMatchObject({
      ok: false,
      failure: { reason: 'RegistryUnavailable', platform: spec.platform },
    });
  });

  test('a builder is stopped at its time limit', async () => {
    const driver = parts().openDriver();
    const spec = { ...(await parts().makeSpec('waits')), timeLimitMs: 1500 };
    expect(await driver.startOrAdopt(spec)).toEqual({ ok: true, adopted: false });
    expect(await driver.result(spec.name, { signal: inTime() })).toEqual({
      ok: false,
      failure: { reason: 'TimeLimitExceeded', platform: spec.platform },
    });
  });

  test('a source that is not there is told before anything starts', async () => {
    const driver = parts().openDriver();
    const spec = parts().withoutSource(await parts().makeSpec('succeeds'));
    const started = await driver.startOrAdopt(spec);
    const outcome = started.ok ? await driver.result(spec.name, { signal: inTime() }) : started;
    expect(outcome).toMatchObject({ ok: false, failure: { reason: 'SourceUnavailable' } });
    expect(await parts().countStarts(spec)).toBe(0);
  });
}

function adoption(parts: () => DriverParts): void {
  test('a builder that runs is adopted by whoever comes later, with all of its log', async () => {
    const { spec } = await start(parts(), 'counts');
    const later = parts().openDriver();
    expect(await later.startOrAdopt(spec)).toEqual({ ok: true, adopted: true });
    expect(await textOf(later, spec.name)).toBe(numbers);
    expect(await later.result(spec.name, { signal: inTime() })).toMatchObject({ ok: true });
    expect(await parts().countStarts(spec)).toBe(1);
  });

  test('a builder that has ended is adopted with its result', async () => {
    const { driver, spec } = await start(parts(), 'fails');
    await driver.result(spec.name, { signal: inTime() });
    const later = parts().openDriver();
    expect(await later.startOrAdopt(spec)).toEqual({ ok: true, adopted: true });
    expect(await later.result(spec.name, { signal: inTime() })).toMatchObject({ ok: false });
    expect(await textOf(later, spec.name)).toContain('failing\n');
    expect(await parts().countStarts(spec)).toBe(1);
  });

  test('many who start the same builder at once start it once', async () => {
    const spec = await parts().makeSpec('succeeds');
    const drivers = Array.from({ length: 6 }, () => parts().openDriver());
    const started = await Promise.all(drivers.map((driver) => driver.startOrAdopt(spec)));
    expect(started.filter((answer) => answer.ok && !answer.adopted)).toHaveLength(1);
    const results = await Promise.all(
      drivers.map((driver) => driver.result(spec.name, { signal: inTime() })),
    );
    expect(results.every(({ ok }) => ok)).toBe(true);
    expect(await parts().countStarts(spec)).toBe(1);
  });
}

function logs(parts: () => DriverParts): void {
  test('a log is followed while it grows', async () => {
    const { driver, spec } = await start(parts(), 'waits');
    const follower = driver.followLog(spec.name, { fromOffset: 0, signal: inTime() });
    let log = '';
    for await (const { text } of follower) {
      log += text;
      if (log.includes('waiting\n')) break;
    }
    expect(log).toContain('waiting\n');
    await driver.cancel(spec.name);
  });

  test('a log is resumed at any chunk without a line lost or doubled', async () => {
    const { driver, spec } = await start(parts(), 'counts');
    const first = await chunksOf(driver, spec.name, 0);
    expect(first.map(({ text }) => text).join('')).toBe(numbers);
    for (const { toOffset } of first) {
      const rest = await chunksOf(driver, spec.name, toOffset);
      const before = first.filter((chunk) => chunk.toOffset <= toOffset);
      expect([...before, ...rest].map(({ text }) => text).join('')).toBe(numbers);
      expect(rest[0]?.fromOffset ?? toOffset).toBe(toOffset);
    }
  });

  test('the log of a builder that nobody knows is empty', async () => {
    expect(await chunksOf(parts().openDriver(), 'b-nobody', 0)).toEqual([]);
  });
}

function stopping(parts: () => DriverParts): void {
  test('a canceled builder ends, and stays ended', async () => {
    const { driver, spec } = await start(parts(), 'waits');
    await driver.cancel(spec.name);
    expect(await driver.result(spec.name, { signal: inTime() })).toMatchObject({ ok: false });
    expect(await driver.startOrAdopt(spec)).toEqual({ ok: true, adopted: true });
    expect(await parts().countStarts(spec)).toBeLessThanOrEqual(1);
    await driver.cancel(spec.name);
  });

  test('canceling a builder that has ended changes nothing', async () => {
    const { driver, spec } = await start(parts(), 'succeeds');
    const before = await driver.result(spec.name, { signal: inTime() });
    await driver.cancel(spec.name);
    expect(await driver.result(spec.name, { signal: inTime() })).toEqual(before);
  });

  test('canceling and cleaning up a builder that nobody knows is nothing', async () => {
    const driver = parts().openDriver();
    await driver.cancel('b-nobody');
    await driver.cleanUp('b-nobody');
    expect(await driver.list()).not.toContain('b-nobody');
  });

  test('waiting for a result ends when its signal aborts', async () => {
    const { driver, spec } = await start(parts(), 'waits');
    const reason = new Error('the process leaves');
    const leave = new AbortController();
    const result = driver.result(spec.name, { signal: leave.signal });
    leave.abort(reason);
    await expect(result).rejects.toBe(reason);
    await driver.cancel(spec.name);
  });

  test('a builder is listed until it is cleaned up, running or ended', async () => {
    const { driver, spec } = await start(parts(), 'waits');
    const ended = await start(parts(), 'succeeds');
    await ended.driver.result(ended.spec.name, { signal: inTime() });
    expect(await parts().openDriver().list()).toEqual(
      expect.arrayContaining([spec.name, ended.spec.name]),
    );
    await driver.cleanUp(spec.name);
    await driver.cleanUp(ended.spec.name);
    expect(await driver.list()).not.toContain(spec.name);
    expect(await driver.list()).not.toContain(ended.spec.name);
  });

  test('a builder that nobody knows was lost', async () => {
    const driver = parts().openDriver();
    expect(await driver.result('b-nobody', { signal: inTime() })).toEqual({
      ok: false,
      failure: { reason: 'BuilderLost' },
    });
  });
}

function looking(parts: () => DriverParts): void {
  test('a platform without a native node is refused', async () => {
    const { nativePlatform, foreignPlatform } = parts();
    const platforms = [nativePlatform, foreignPlatform];
    const driver = parts().openDriver();
    expect(await driver.preflight({ platforms, requireNativeNodes: true })).toMatchObject({
      ok: false,
      failure: { reason: 'PlatformNotNative', platform: foreignPlatform },
    });
  });

  test('what a preflight lets pass can be built for, and is told', async () => {
    const { nativePlatform } = parts();
    const found = (await parts().openDriver().platforms()).find(
      ({ platform }) => platform === nativePlatform,
    );
    expect(found).toMatchObject({ failure: null });
    expect(found?.readyNodes).toBeGreaterThan(0);
  });

  test('native platforms pass without a warning', async () => {
    const platforms = [parts().nativePlatform];
    const driver = parts().openDriver();
    expect(await driver.preflight({ platforms, requireNativeNodes: true })).toEqual({
      ok: true,
      warnings: [],
    });
  });
}

const numbers = Array.from({ length: 3000 }, (_, index) => `${index + 1}\n`).join('');

async function start(
  parts: DriverParts,
  behaviour: Behaviour,
): Promise<{ driver: Driver; spec: BuilderSpec }> {
  const driver = parts.openDriver();
  const spec = await parts.makeSpec(behaviour);
  expect(await driver.startOrAdopt(spec)).toEqual({ ok: true, adopted: false });
  return { driver, spec };
}

async function chunksOf(driver: Driver, name: string, fromOffset: number): Promise<LogChunk[]> {
  const chunks: LogChunk[] = [];
  for await (const chunk of driver.followLog(name, { fromOffset, signal: inTime() })) {
    chunks.push(chunk);
  }
  return chunks;
}

async function textOf(driver: Driver, name: string): Promise<string> {
  return (await chunksOf(driver, name, 0)).map(({ text }) => text).join('');
}
