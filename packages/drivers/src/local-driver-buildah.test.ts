/** The local driver with what it is for: buildah, a registry, and Dockerfiles. */
import { mkdir, mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises';
import { randomUUID } from 'node:crypto';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { buildahCommands, renderRegistriesConf } from '@hephy/backends';
import { createDirectorySourceStore, type SourceStore } from '@hephy/source';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startRegistry, type TestRegistry } from '../../../test/parts/registry.ts';
import { pushShellBase, removeStorage } from '../../../test/parts/shell-base.ts';
import { putFiles, type SourceFile } from '../../../test/parts/source-files.ts';
import type { BuilderResult, BuilderSpec, Driver } from './driver.ts';
import { createLocalDriver } from './local-driver.ts';
import { makeSpec } from './local-driver-parts.ts';

let folder: string;
let registry: TestRegistry;
let sources: SourceStore;
let driver: Driver;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'hephy-buildah-'));
  registry = await startRegistry();
  await pushShellBase(`${registry.host}/library/shell:latest`);
  const registriesConfPath = path.join(folder, 'buildah', 'registries.conf');
  await mkdir(path.dirname(registriesConfPath));
  const mirrors = [{ from: 'docker.io', to: registry.host, insecure: true }];
  await writeFile(registriesConfPath, renderRegistriesConf({ mirrors, plainRegistries: [] }));
  sources = createDirectorySourceStore({ directory: path.join(folder, 'sources') });
  driver = createLocalDriver({
    directory: path.join(folder, 'builders'),
    sources,
    commandsFor: (input) => buildahCommands(input, { registriesConfPath, plainRegistries: [] }),
    programs: ['buildah'],
    readable: [path.dirname(registriesConfPath)],
    machinePlatform: 'linux/amd64',
    environment: { PATH: process.env['PATH'] ?? '' },
    maxLogBytes: 2 ** 20,
    maxCacheBytes: 2 ** 30,
    newId: randomUUID,
  });
});

afterAll(async () => {
  for (const name of await driver.list()) await driver.cleanUp(name);
  await registry.stop();
  await removeStorage(folder);
});

test('FROM scratch with COPY is built for two platforms at once, and the registry serves both', async () => {
  const source = await putFiles(sources, {
    Dockerfile: 'FROM scratch\nCOPY hello /\n',
    hello: 'hi',
  });
  const platforms = ['linux/amd64', 'linux/arm64'];
  const specs = platforms.map((platform) => specOf(source, { platform }));
  const results = await Promise.all(specs.map(build));
  expect(results).toMatchObject([{ ok: true }, { ok: true }]);
  for (const [index, { destination }] of specs.entries()) {
    const [repository, tag] = destination.slice(registry.host.length + 1).split(':');
    const manifest = await read(`${repository}/manifests/${tag}`);
    expect(results[index]).toEqual({
      ok: true,
      exitCode: 0,
      digest: manifest.headers.get('docker-content-digest'),
    });
    const { config } = (await manifest.json()) as { config: { digest: string } };
    expect(await (await read(`${repository}/blobs/${config.digest}`)).json()).toMatchObject({
      architecture: platforms[index]?.split('/')[1],
      os: 'linux',
    });
  }
});

test('a base image comes through the mirror, arguments and labels arrive byte for byte', async () => {
  const value = `a b=c #d 'e' "f" \\ $HOME \`g\`\nsecond -line`;
  const spec = await specFor(
    {
      Dockerfile:
        'FROM shell AS one\nARG VALUE\nRUN echo "<$VALUE>"\nFROM one AS two\nRUN exit 9\n',
    },
    { buildArgs: { VALUE: value }, labels: { 'test.label': value }, target: 'one' },
  );
  expect(await build(spec)).toMatchObject({ ok: true });
  expect(await logOf(spec)).toContain(`<${value}>`);
  const [repository, tag] = spec.destination.slice(registry.host.length + 1).split(':');
  const manifest = (await (await read(`${repository}/manifests/${tag}`)).json()) as {
    config: { digest: string };
  };
  const config = await (await read(`${repository}/blobs/${manifest.config.digest}`)).json();
  expect(config).toMatchObject({ config: { Labels: { 'test.label': value } } });
});

test('a failing RUN step answers its own exit code', async () => {
  const spec = await specFor({ Dockerfile: 'FROM shell\nRUN echo before; exit 42\n' });
  expect(await build(spec)).toEqual({
    ok: false,
    failure: { reason: 'BuildFailed', platform: 'linux/amd64', exitCode: 42 },
  });
  expect(await logOf(spec)).toContain('before\n');
});

test('a second build of the app takes unchanged steps from the cache, unless it is told not to', async () => {
  const files = { Dockerfile: 'FROM shell\nRUN cat /proc/sys/kernel/random/uuid > /made\n' };
  const first = await build(await specFor(files, { appName: 'cached' }));
  const again = await specFor(files, { appName: 'cached' });
  expect(await build(again)).toEqual(first);
  expect(await logOf(again)).toContain('Using cache');
  const fresh = await build(await specFor(files, { appName: 'cached', noCache: true }));
  expect(fresh).toMatchObject({ ok: true });
  expect(fresh).not.toEqual(first);
});

test('a registry that does not answer is no failure of the Dockerfile', async () => {
  const spec = await specFor(
    { Dockerfile: 'FROM scratch\nCOPY Dockerfile /\n' },
    { destination: '127.0.0.1:1/shop:test' },
  );
  expect(await build(spec)).toMatchObject({
    ok: false,
    failure: { reason: 'RegistryUnavailable', platform: 'linux/amd64' },
  });
});

test('cancel ends a RUN step with all that it started, and the next build is well', async () => {
  const mark = `1${String(process.hrtime.bigint()).slice(-8)}`;
  const files = {
    Dockerfile: `FROM shell\nRUN setsid sleep ${mark} & echo waiting; sleep ${mark}\n`,
  };
  const spec = await specFor(files, { appName: 'canceled' });
  await driver.startOrAdopt(spec);
  for await (const { text } of driver.followLog(spec.name, { fromOffset: 0, signal: inTime() })) {
    if (/^waiting$/m.test(text)) break;
  }
  await waitFor(async () => (await countProcesses(mark)) > 1);
  await driver.cancel(spec.name);
  expect(await countProcesses(mark)).toBe(0);
  await driver.cleanUp(spec.name);
  expect(await readFile('/proc/self/mounts', 'utf8')).not.toContain(folder);
  const next = await specFor(
    { Dockerfile: 'FROM shell\nRUN echo well\n' },
    { appName: 'canceled' },
  );
  expect(await build(next)).toMatchObject({ ok: true });
});

test('what lies beside the commit is out of reach for COPY, for mounts and for steps', async () => {
  const secret = path.join(folder, 'secret');
  await writeFile(secret, 'the secret of another');
  const dockerfiles = [
    'FROM scratch\nCOPY out /copied\n',
    'FROM shell\nRUN --mount=type=bind,source=up,target=/m cat /m/secret\n',
    `FROM shell AS a\nRUN ln -s / /up\nFROM shell\nRUN --mount=type=bind,from=a,source=/up,target=/m,rw cat /m${secret}\n`,
  ];
  for (const Dockerfile of dockerfiles) {
    const spec = await specFor({ Dockerfile, out: { linkTo: secret }, up: { linkTo: folder } });
    expect(await build(spec)).toMatchObject({ ok: false, failure: { reason: 'BuildFailed' } });
    expect(await logOf(spec)).not.toContain('the secret of another');
  }
});

test('cleaning up leaves nothing but the cache', async () => {
  const spec = await specFor({ Dockerfile: 'FROM shell\nRUN echo well\n' });
  await build(spec);
  for (const name of await driver.list()) await driver.cleanUp(name);
  expect(await readdir(path.join(folder, 'builders'))).toEqual(['.cache', '.hull']);
});

const inTime = (): AbortSignal => AbortSignal.timeout(50_000);

async function build(spec: BuilderSpec): Promise<BuilderResult> {
  const started = await driver.startOrAdopt(spec);
  return started.ok ? driver.result(spec.name, { signal: inTime() }) : started;
}

async function logOf({ name }: BuilderSpec): Promise<string> {
  let log = '';
  for await (const { text } of driver.followLog(name, { fromOffset: 0, signal: inTime() })) {
    log += text;
  }
  return log;
}

function specOf(source: BuilderSpec['source'], changes: Partial<BuilderSpec>): BuilderSpec {
  const spec = makeSpec(source, changes);
  return { ...spec, destination: changes.destination ?? `${registry.host}/shop:${spec.name}` };
}

async function specFor(
  files: Readonly<Record<string, SourceFile>>,
  changes: Partial<BuilderSpec> = {},
): Promise<BuilderSpec> {
  return specOf(await putFiles(sources, files), changes);
}

async function read(route: string): Promise<Response> {
  const response = await fetch(`${registry.url}/v2/${route}`, {
    headers: { accept: 'application/vnd.oci.image.manifest.v1+json' },
    signal: inTime(),
  });
  if (!response.ok) throw new Error(`${route} answered ${response.status}`);
  return response;
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
