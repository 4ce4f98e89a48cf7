/**
 * `hephy demo`: what a user would do, done by the real programs and shown as the user would see it: an app, a push with
 * git, and then the proof from the registry and from the release hook. Everything lives in a folder of its own.
 */
import { execFile, spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { promisify } from 'node:util';
import { findContainment, removeTree, type Containment } from '@hephy/drivers';
import { z } from 'zod';
import { seedBaseImage } from '../base-image.ts';
import { defaultCacheDir } from '../cache-directory.ts';
import { startHookRecorder, type HookRecorder } from '../demo/hook-recorder.ts';
import { contextsFile } from '../client/contexts.ts';
import type { ServiceProcess } from '../process.ts';
import { startOrStop } from '../start-or-stop.ts';
import { banner, runService, startServiceProcess, type RunningService } from './up.ts';

export interface DemoInput {
  readonly keep: boolean;
  readonly program: string;
  readonly print: (line: string) => void;
}

const run = promisify(execFile);
const platforms = ['linux/amd64', 'linux/arm64'];

export async function demo({ keep, program, print }: DemoInput): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'hephy-demo-'));
  const startedAt = performance.now();
  const environment = demoEnvironment({ folder, keep });
  const running = await startServiceProcess({ ...environment });
  const { shutdown } = running;
  shutdown.add('demo folder', () => removeFolder(folder, running));
  // A start that is interrupted may still write after the closers have run.
  const sweep = (): void => rmSync(folder, { recursive: true, force: true });
  process.once('exit', sweep);
  const service = await runService(running, { contextsFile: contextsFile(environment) });
  process.off('exit', sweep);
  if (!keep) shutdown.add('demo build', () => untilNothingBuilds(service));
  const readyAfter = secondsSince(startedAt);
  const succeeded = await startOrStop(running, async () => {
    const recorder = await startHookRecorder();
    shutdown.add('hook recorder', () => recorder.close());
    const scene: Scene = { folder, service, recorder, program, print, environment };
    return (await showPush(scene)) && (await showProof(scene));
  });
  const seconds = secondsSince(startedAt);
  if (keep && succeeded) {
    for (const line of banner(service, { seconds: readyAfter, program })) print(line);
    return;
  }
  print('');
  print(
    succeeded ? `The demo took ${seconds} s. Nothing of it is left running.` : 'The push failed.',
  );
  await shutdown.stop('the demo is over', succeeded ? 0 : 1);
}

const secondsSince = (startedAt: number): string =>
  ((performance.now() - startedAt) / 1000).toFixed(1);

/** Builders outlive their worker; whoever stops the demo wants nothing left. The push that ends has canceled its build. */
async function untilNothingBuilds({ connections }: RunningService): Promise<void> {
  while ((await connections.queries.countLiveBuilds()) > 0) await setTimeout(100);
}

/** Layers of images may belong to users of a namespace, when root did not build them. */
async function removeFolder(folder: string, { path }: ServiceProcess): Promise<void> {
  const environment = { PATH: path };
  const contain = (): Promise<Containment> =>
    findContainment({ directory: folder, read: [], environment });
  await removeTree(folder, { contain, environment });
}

interface Scene {
  readonly folder: string;
  readonly service: RunningService;
  readonly recorder: HookRecorder;
  readonly program: string;
  readonly print: (line: string) => void;
  readonly environment: NodeJS.ProcessEnv;
}

function demoEnvironment({ folder, keep }: { folder: string; keep: boolean }): NodeJS.ProcessEnv {
  const ports = {
    HEPHY_LISTEN_GIT: '127.0.0.1:0',
    HEPHY_LISTEN_API: '127.0.0.1:0',
    HEPHY_LISTEN_REGISTRY: '127.0.0.1:0',
  };
  return {
    ...process.env,
    HEPHY_LOG_LEVEL: process.env['HEPHY_LOG_LEVEL'] ?? 'error',
    ...(keep
      ? {}
      : { ...ports, HEPHY_DATA: join(folder, 'data'), HEPHY_CONFIG: join(folder, 'config.json') }),
  };
}

/** Makes the repository and pushes it; answers whether git says that it went through. */
async function showPush(scene: Scene): Promise<boolean> {
  const { service, print, program, recorder } = scene;
  const registry = service.connections.places.registry;
  print('A base image for both platforms, from Debian packages:');
  const base = await seedBaseImage({
    registry,
    repository: 'base/busybox',
    platforms,
    cacheDir: defaultCacheDir(process.env),
    workDir: scene.folder,
    log: (sentence) => print(`  ${sentence}`),
  });
  const repository = join(scene.folder, 'repository');
  await makeRepository(repository, base.reference);
  const name = `demo-${Date.now().toString(36)}`;
  print('');
  print('The arm64 part only copies files: nothing is emulated on this machine.');
  const hook = ['--hook', recorder.url];
  const create = ['apps', 'create', name, '--platforms', platforms.join(','), '--no-native-nodes'];
  await show(scene, [program, ...create, ...hook], repository);
  return (await show(scene, ['git', 'push', 'deis', 'main'], repository)) === 0;
}

const dockerfile = (base: string): string =>
  [`FROM ${base}`, 'COPY hello.txt /hello.txt', 'CMD ["/bin/cat", "/hello.txt"]', ''].join('\n');

async function makeRepository(directory: string, base: string): Promise<void> {
  await mkdir(directory, { recursive: true });
  await writeFile(join(directory, 'Dockerfile'), dockerfile(base));
  await writeFile(join(directory, 'hello.txt'), 'Hello from every architecture.\n');
  const git = (...args: string[]): Promise<unknown> => run('git', ['-C', directory, ...args]);
  await git('init', '--quiet', '--initial-branch=main');
  await git('config', 'user.name', 'Demo');
  await git('config', 'user.email', 'demo@example.com');
  await git('add', '.');
  await git('commit', '--quiet', '--message=Say hello');
}

/** Prints the command line and runs it on this very terminal. */
async function show(
  { print, environment, program, service }: Scene,
  argv: readonly string[],
  directory: string,
): Promise<number> {
  const [command = '', ...args] = argv;
  print('');
  print(`$ ${argv.map((word) => (word === program ? 'hephy' : word)).join(' ')}`);
  const path = `${dirname(program)}:${environment['PATH'] ?? ''}`;
  const child = spawn(command, args, {
    cwd: directory,
    env: { ...environment, PATH: path },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  service.process.shutdown.signal.addEventListener('abort', () => child.kill('SIGINT'));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve(code ?? 1));
  });
}

const Index = z.object({
  manifests: z.array(
    z.object({
      digest: z.string(),
      platform: z.object({ os: z.string(), architecture: z.string() }),
    }),
  ),
});
const Manifest = z.object({ config: z.object({ digest: z.string() }) });
const Config = z.object({ os: z.string(), architecture: z.string() });

/** Asks the registry itself, and what the hook has received. Throws if they do not hold what was pushed. */
async function showProof({ service, recorder, print }: Scene): Promise<true> {
  const body = recorder.bodies.at(-1);
  if (!body) throw new Error('the release hook received nothing');
  const { data } = Release.parse(JSON.parse(body));
  const repository = `http://${service.connections.places.registry}/v2/${data.app}`;
  print('');
  print(`The proof. What the registry holds under ${data.app}:latest:`);
  const raw = await fetchText(`${repository}/manifests/latest`);
  print(raw);
  for (const child of Index.parse(JSON.parse(raw)).manifests) {
    const manifest = Manifest.parse(
      JSON.parse(await fetchText(`${repository}/manifests/${child.digest}`)),
    );
    const config = Config.parse(
      JSON.parse(await fetchText(`${repository}/blobs/${manifest.config.digest}`)),
    );
    print(`${child.digest} says ${config.os}/${config.architecture} in its config`);
  }
  print('');
  print('The release that the hook received:');
  print(JSON.stringify(JSON.parse(body), null, 2));
  return true;
}

const Release = z.object({ data: z.object({ app: z.string() }) });

async function fetchText(url: string): Promise<string> {
  const accept = [
    'application/vnd.oci.image.index.v1+json',
    'application/vnd.oci.image.manifest.v1+json',
  ];
  const response = await fetch(url, {
    headers: { accept: accept.join(', ') },
    signal: AbortSignal.timeout(10_000),
  });
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
  return response.text();
}
