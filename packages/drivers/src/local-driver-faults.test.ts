/** What only a builder of processes and files can suffer. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { BuilderResult, BuilderSpec, Driver, LogChunk } from './driver.ts';
import { makeLocalDriverParts, type LocalDriverParts } from './local-driver-parts.ts';

let parts: LocalDriverParts;
beforeAll(async () => {
  parts = await makeLocalDriverParts();
});
afterAll(() => parts.close());

const inTime = (): AbortSignal => AbortSignal.timeout(50_000);

test('a worker is killed in the middle, another adopts: one start, no line lost or doubled', async () => {
  const spec = await parts.specOf({
    Dockerfile: 'for i in {1..400}; do echo "line $i"; sleep 0.002; done',
  });
  const worker = await startWorker(spec);
  const before: LogChunk[] = [];
  for await (const line of createInterface({ input: worker.stdout ?? process.stdin })) {
    before.push(JSON.parse(line) as LogChunk);
    if (before.length === 3) worker.kill('SIGKILL');
  }
  const driver = parts.openDriver();
  expect(await driver.startOrAdopt(spec)).toEqual({ ok: true, adopted: true });
  const after = await logOf(driver, spec.name, before.at(-1)?.toOffset);
  const log = before.map(({ text }) => text).join('') + after;
  expect(log).toBe(Array.from({ length: 400 }, (_, index) => `line ${index + 1}\n`).join(''));
  expect(await driver.result(spec.name, { signal: inTime() })).toMatchObject({ ok: true });
  expect(await parts.countStarts(spec)).toBe(1);
});

test('a worker that was killed before it started the builder is made up for', async () => {
  const spec = await parts.specOf({ Dockerfile: 'echo built' });
  const leftover = path.join(parts.directory, spec.name, 'start-dead', 'context');
  await mkdir(leftover, { recursive: true });
  await writeFile(path.join(leftover, 'half'), 'of a file');
  expect(await build(spec)).toMatchObject({ ok: true });
  expect(await parts.countStarts(spec)).toBe(1);
});

test('a builder that is killed is lost, and never started again under its name', async () => {
  const driver = parts.openDriver();
  const spec = await parts.makeSpec('waits');
  await driver.startOrAdopt(spec);
  const [pid] = (await readStarter(spec)).split(' ');
  process.kill(Number(pid), 'SIGKILL');
  const lost = { ok: false, failure: { reason: 'BuilderLost', platform: spec.platform } };
  expect(await driver.result(spec.name, { signal: inTime() })).toEqual(lost);
  expect(await driver.startOrAdopt(spec)).toEqual({ ok: true, adopted: true });
  expect(await driver.result(spec.name, { signal: inTime() })).toEqual(lost);
  expect(await parts.countStarts(spec)).toBeLessThanOrEqual(1);
});

test('a process that got the number of a builder that is gone is left alone', async () => {
  const stranger = spawn('sleep', ['1000'], { stdio: 'ignore', detached: true });
  await once(stranger, 'spawn');
  const spec = await parts.makeSpec('waits');
  const own = path.join(parts.directory, spec.name);
  const boot = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
  await mkdir(own);
  await writeFile(path.join(own, 'starter'), `${stranger.pid} 1 ${boot}\n`);
  const driver = parts.openDriver();
  await driver.cancel(spec.name);
  await driver.cleanUp(spec.name);
  expect(stranger.exitCode ?? stranger.signalCode).toBeNull();
  stranger.kill('SIGKILL');
});

test('a builder that was canceled before it started is not started any more', async () => {
  const driver = parts.openDriver();
  const spec = await parts.makeSpec('succeeds');
  await mkdir(path.join(parts.directory, spec.name));
  await driver.cancel(spec.name);
  expect(await driver.startOrAdopt(spec)).toEqual({ ok: true, adopted: true });
  expect(await driver.result(spec.name, { signal: inTime() })).toMatchObject({ ok: false });
  expect(await parts.countStarts(spec)).toBe(0);
});

test('what a step leaves running ends with the builder', async () => {
  const mark = String(process.hrtime.bigint()).slice(-9);
  const spec = await parts.specOf({ Dockerfile: `setsid sleep ${mark} & echo done` });
  expect(await build(spec)).toMatchObject({ ok: true });
  await waitFor(async () => (await countProcesses(mark)) === 0);
});

test('a flood of output is cut at the bound with a last line that says so, and the build goes on', async () => {
  const spec = await parts.specOf({ Dockerfile: 'seq 1 500000; echo end' });
  const driver = parts.openDriver({ maxLogBytes: 64 * 1024 });
  expect(await build(spec, driver)).toMatchObject({ ok: true });
  const log = await logOf(driver, spec.name);
  expect(log.length).toBeLessThan(65 * 1024);
  expect(log).toMatch(/^1\n2\n3\n/);
  expect(log).toMatch(/\n\[the log ends here: it is longer than 64 KiB\]\n$/);
});

test('arguments and the environment arrive byte for byte, and nothing of the worker does', async () => {
  process.env['WORKER_SECRET'] = 'of the worker';
  const value = `a b=c 'd' "e" $HOME \`f\` \\ -g\nsecond line `;
  const spec = await parts.specOf(
    { Dockerfile: 'printf "<%s>" "$VALUE"; env' },
    { buildArgs: { VALUE: value } },
  );
  expect(await build(spec)).toMatchObject({ ok: true });
  const log = await logOf(parts.openDriver(), spec.name);
  expect(log).toContain(`<${value}>`);
  expect(log).not.toContain('of the worker');
});

test('a digest that is none is not passed on', async () => {
  const spec = await parts.specOf({ Dockerfile: 'true' }, { labels: { digest: 'sha256:short' } });
  expect(await build(spec)).toMatchObject({ ok: false, failure: { reason: 'DigestMissing' } });
});

test('a Dockerfile or a context that is missing or leads out of the commit is refused', async () => {
  const files = {
    Dockerfile: 'true',
    outside: { linkTo: '/etc/passwd' },
    above: { linkTo: '../..' },
    'folder/.dockerignore': { linkTo: '/etc/passwd' },
  };
  const asked: Partial<BuilderSpec>[] = [
    { dockerfilePath: 'outside' },
    { dockerfilePath: 'missing' },
    { contextPath: 'above' },
    { contextPath: 'folder' },
    { contextPath: 'Dockerfile/deeper' },
  ];
  for (const changes of asked) {
    const spec = await parts.specOf(files, changes);
    expect(await build(spec)).toMatchObject({ ok: false, failure: { reason: 'BuildFailed' } });
    expect(await parts.countStarts(spec)).toBe(0);
  }
});

test('a source whose bytes have changed is not built', async () => {
  const spec = await parts.specOf({ Dockerfile: 'true' });
  const { sha256 } = spec.source;
  const file = path.join(parts.folder, 'sources', sha256.slice(0, 2), `${sha256}.tar`);
  const bytes = await readFile(file);
  bytes[600] = (bytes[600] ?? 0) ^ 1;
  await writeFile(file, bytes);
  expect(await build(spec)).toMatchObject({ ok: false, failure: { reason: 'SourceUnavailable' } });
});

test('garbage beside the builders is neither listed nor harmful', async () => {
  await writeFile(path.join(parts.directory, 'a-file'), '');
  await mkdir(path.join(parts.directory, 'Not A Builder'));
  const broken = path.join(parts.directory, 'b-broken');
  await mkdir(broken);
  await writeFile(path.join(broken, 'starter'), 'nonsense');
  await writeFile(path.join(broken, 'spec.json'), '{"half":');
  const driver = parts.openDriver();
  const names = await driver.list();
  expect(names).toContain('b-broken');
  expect(names).not.toContain('a-file');
  expect(names).not.toContain('Not A Builder');
  expect(await driver.result('b-broken', { signal: inTime() })).toMatchObject({
    failure: { reason: 'BuilderLost' },
  });
  await driver.cancel('b-broken');
  await driver.cleanUp('b-broken');
  expect(await driver.list()).not.toContain('b-broken');
});

test('a clean-up that was killed half-way is finished by the next', async () => {
  await mkdir(path.join(parts.directory, '.removing-b-half', 'context'), { recursive: true });
  const driver = parts.openDriver();
  expect(await driver.list()).toContain('b-half');
  await driver.cleanUp('b-half');
  expect(await driver.list()).not.toContain('b-half');
});

test('a program that is not installed is told by name', async () => {
  const driver = parts.openDriver({ programs: ['no-such-builder'] });
  expect(await driver.preflight({ platforms: ['linux/amd64'], requireNativeNodes: true })).toEqual({
    ok: false,
    failure: { reason: 'BuilderMissing', detail: 'no-such-builder is not installed' },
  });
  expect(await driver.platforms()).toMatchObject([
    { nodes: 1, readyNodes: 0, failure: { reason: 'BuilderMissing' } },
  ]);
  const spec = await parts.specOf({ Dockerfile: 'true' });
  const argv = ['no-such-builder'] as const;
  const without = parts.openDriver({
    commandsFor: () => [{ phase: 'build', argv, environment: {} }],
  });
  expect(await build(spec, without)).toMatchObject({ failure: { reason: 'BuilderMissing' } });
});

test('a foreign platform passes with a warning if nodes need not be native', async () => {
  const platforms = ['linux/amd64', 'linux/arm64'];
  expect(await parts.openDriver().preflight({ platforms, requireNativeNodes: false })).toEqual({
    ok: true,
    warnings: [
      'linux/arm64 is not native here and nothing is emulated: RUN steps fail, COPY-only Dockerfiles work',
    ],
  });
});

test('a folder with spaces, a backslash and a percent sign in its name holds builders', async () => {
  const driver = parts.openDriver({ directory: path.join(parts.folder, 'my \\ 100%', 'builders') });
  const spec = await parts.specOf({ Dockerfile: 'echo built' });
  expect(await build(spec, driver)).toMatchObject({ ok: true });
  await driver.cleanUp(spec.name);
});

test('fifty builders at once all end, each started once', async () => {
  const specs = await Promise.all(
    Array.from({ length: 50 }, (_, index) => parts.specOf({ Dockerfile: `echo ${index}` })),
  );
  const results = await Promise.all(specs.map((spec) => build(spec)));
  expect(results.filter(({ ok }) => !ok)).toEqual([]);
  const starts = await Promise.all(specs.map((spec) => parts.countStarts(spec)));
  expect(new Set(starts)).toEqual(new Set([1]));
});

// Mounting needs root: developers without it skip nothing else, and CI has to have it.
const mayMount = process.getuid?.() === 0 || process.env['CI'] === 'true';

test.runIf(mayMount)('a full disk is told, before the build and in it', async () => {
  const directory = await mkdtemp(path.join(tmpdir(), 'hephy-full-'));
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', directory]);
  try {
    const driver = parts.openDriver({ directory });
    const large = await parts.specOf({ Dockerfile: 'true', large: 'x'.repeat(8 * 2 ** 20) });
    const full = { ok: false, failure: { reason: 'DiskFull', platform: 'linux/amd64' } };
    expect(await build(large, driver)).toMatchObject(full);
    await driver.cleanUp(large.name);
    const filling = await parts.specOf({
      // Its log lies on the same disk: the line has to be there before there is no room for it.
      Dockerfile:
        'echo filling; until [[ -s log ]]; do :; done; head -c 100M /dev/zero > "$SCRATCH/filling"',
    });
    const commandsFor: typeof parts.options.commandsFor = (input) =>
      parts.options.commandsFor(input).map((command) => ({
        ...command,
        argv: command.phase === 'build' ? ['bash', input.dockerfilePath] : command.argv,
      }));
    const small = parts.openDriver({ directory, commandsFor });
    expect(await build(filling, small)).toMatchObject(full);
    expect(await logOf(small, filling.name)).toContain('filling\n');
    await small.cleanUp(filling.name);
    expect((await readdir(directory)).filter((name) => !name.startsWith('.'))).toEqual([]);
  } finally {
    execFileSync('umount', [directory]);
    await rm(directory, { recursive: true });
  }
});

async function build(
  spec: BuilderSpec,
  driver: Driver = parts.openDriver(),
): Promise<BuilderResult> {
  const started = await driver.startOrAdopt(spec);
  return started.ok ? driver.result(spec.name, { signal: inTime() }) : started;
}

async function logOf(driver: Driver, name: string, fromOffset = 0): Promise<string> {
  let log = '';
  for await (const { text } of driver.followLog(name, { fromOffset, signal: inTime() })) {
    log += text;
  }
  return log;
}

async function startWorker(spec: BuilderSpec): Promise<ChildProcess> {
  const specFile = path.join(parts.folder, `${spec.name}.json`);
  await writeFile(specFile, JSON.stringify(spec));
  const script = fileURLToPath(new URL('local-driver-worker.ts', import.meta.url));
  return spawn(process.execPath, [script, parts.folder, specFile], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

function readStarter(spec: BuilderSpec): Promise<string> {
  return readFile(path.join(parts.directory, spec.name, 'starter'), 'utf8');
}

async function waitFor(condition: () => Promise<boolean>): Promise<void> {
  const signal = inTime();
  while (!(await condition())) signal.throwIfAborted();
}

/** Processes whose last argument is `mark`. */
async function countProcesses(mark: string): Promise<number> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const lines = await Promise.all(
    pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')),
  );
  return lines.filter((line) => line.endsWith(`\0${mark}\0`)).length;
}
