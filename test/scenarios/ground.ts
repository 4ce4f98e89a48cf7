/**
 * Where builders run, and a service that builds there. A scenario that is a function of the ground passes on every kind of
 * ground: its own test file calls it with this machine, one of `test/cluster/scenarios*.test.ts` with a cluster. What ends
 * before there is a builder, or is about buildah or this machine's processes and disks, stands in the test files alone.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { pushBusybox } from '../parts/busybox.ts';
import { startFaultProxy, type FaultProxy } from '../parts/fault-proxy.ts';
import { startGate, type Gate } from '../parts/gate.ts';
import {
  runGitClient,
  startGitClient,
  type GitClientResult,
  type RunningGitClient,
  type WorkTree,
} from '../parts/git-client.ts';
import { showLogOnFailure, startHephy, type Hephy } from '../parts/hephy.ts';
import { startRegistry, type TestRegistry } from '../parts/registry.ts';
import { until } from '../parts/until.ts';
import { startWebhookReceiver, type WebhookReceiver } from '../parts/webhook-receiver.ts';

export interface Ground {
  /** Of this machine, as builders reach it. */
  readonly address: string;
  /** What makes a service build there. */
  readonly settings: Readonly<Record<string, string>>;
  /** What is there of the service's builders. One that has ended may take a moment until it is gone. */
  readonly builders: (hephy: Pick<Hephy, 'data' | 'children'>) => Promise<readonly string[]>;
}

export const thisMachine: Ground = {
  address: '127.0.0.1',
  settings: {},
  builders: async ({ data, children }) => {
    const names = await readdir(join(data, 'builders')).catch(() => []);
    const commands = (await children()).map(({ command }) => command);
    return [
      ...names.filter((name) => !name.startsWith('.')),
      ...commands.filter((command) => command.includes('/builders/')),
    ];
  },
};

export interface Service {
  readonly hephy: Hephy;
  readonly gate: Gate;
  readonly hook: WebhookReceiver;
  /** The registry that is behind the proxy. */
  readonly registry: TestRegistry;
  /** What the service and its builders take for the registry. */
  readonly proxy: FaultProxy;
  /** The name of an image with a shell. */
  readonly base: string;
  readonly builders: () => Promise<readonly string[]>;
}

/** Starts a service for the tests of the file or `describe` that asks for it. */
export function useService(
  open: () => Ground,
  environment: () => Readonly<Record<string, string>> = () => ({}),
): () => Service {
  let service: Service | undefined;
  const closers: (() => Promise<unknown>)[] = [];
  beforeAll(async () => {
    const { address, settings, builders } = open();
    const registry = await startRegistry();
    closers.unshift(() => registry.stop());
    const proxy = await startFaultProxy({ upstream: registry.host, address });
    closers.unshift(() => proxy.stop());
    const [gate, hook] = await Promise.all([startGate(address), startWebhookReceiver()]);
    closers.unshift(() => Promise.all([gate.close(), hook.close()]));
    const ours = { HEPHY_REGISTRY: proxy.host, HEPHY_REGISTRY_PLAIN_HTTP: 'true' };
    const hephy = await startHephy({ environment: { ...settings, ...ours, ...environment() } });
    closers.unshift(() => hephy.close());
    const base = `${proxy.host}/${await pushBusybox(registry.host, hephy.folder)}`;
    service = { hephy, gate, hook, registry, proxy, base, builders: () => builders(hephy) };
  });
  afterAll(async () => {
    for (const close of closers) await close();
  });
  showLogOnFailure(() => service?.hephy);
  return () => {
    if (!service) throw new Error('the service is started before the first test');
    return service;
  };
}

export const amd64 = { platforms: ['linux/amd64'] };
export const tiny = { Dockerfile: 'FROM scratch\nCOPY a /\n', a: 'a' };

export function startPush({ path }: WorkTree): RunningGitClient {
  return startGitClient(['push', 'deis', 'main'], { cwd: path });
}

export function push({ path }: WorkTree, ...args: string[]): Promise<GitClientResult> {
  return runGitClient(['push', 'deis', ...(args.length > 0 ? args : ['main'])], { cwd: path });
}

export function remoteRefs(tree: WorkTree): Promise<string> {
  return tree.git('ls-remote', 'deis');
}

/** A step that stands at the door until the test opens it. */
export function waitsAt(
  door: string,
  { base, gate }: Pick<Service, 'base' | 'gate'>,
): Record<string, string> {
  return { Dockerfile: `FROM ${base}\n${gate.step(door)}\n` };
}

export function buildersGone({ builders }: Pick<Service, 'builders'>): Promise<unknown> {
  return until('the end of all builders', async () => (await builders()).length === 0);
}
