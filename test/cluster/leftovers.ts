/** What a killed cluster leaves outside its folder: mounts, cgroups, sockets and states of containers, records of the
 *  pod network, links to logs. Folders that such things are kept in are the machine's, and stay. */
import { readFile, readdir, readlink, rm, rmdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { containerdState, podLogs, podNetworkName } from './host-node.ts';
import type { Layout } from './layout.ts';
import { readIfThere } from './processes.ts';
import { run } from './run.ts';
import { until } from '../parts/until.ts';

const shimSockets = 'unix://';
const containerLogs = '/var/log/containers';
const networkResults = '/var/lib/cni/results';
const devicePluginSocket = '/var/lib/kubelet/device-plugins/kubelet.sock';
const runcStates = '/run/containerd/runc/k8s.io';

export interface Containers {
  readonly ids: readonly string[];
  readonly sockets: readonly string[];
}

/** To be asked before the folder goes. */
export async function listContainers(layout: Layout): Promise<Containers> {
  const tasks = join(containerdState(layout), 'io.containerd.runtime.v2.task/k8s.io');
  const ids = await readIfThere(() => readdir(tasks), []);
  const addresses = await Promise.all(
    ids.map((id) => readIfThere(() => readFile(join(tasks, id, 'address'), 'utf8'), '')),
  );
  const sockets = addresses
    .filter((address) => address.startsWith(shimSockets))
    .map((address) => address.slice(shimSockets.length));
  return { ids, sockets };
}

/** Call it when all processes have ended. */
export async function removeLeftovers(layout: Layout, { ids, sockets }: Containers): Promise<void> {
  await unmountBelow(layout.folder);
  for (const socket of sockets) await rm(socket, { force: true });
  for (const id of ids) await rm(join(runcStates, id), { recursive: true, force: true });
  for (const parent of await cgroupParents()) {
    for (const id of ids)
      await until(`the cgroup of ${id} is empty`, () => removed(join(parent, id)));
    // It stays where containers of others are in it.
    await removed(parent);
  }
  await removeLinks(layout);
  // The kubelet makes it there, whatever its folder is; nobody here uses it.
  await rm(devicePluginSocket, { force: true });
  await removeNetworkResults(layout, ids);
}

async function mountsBelow(folder: string): Promise<string[]> {
  const mounts = (await readFile('/proc/self/mounts', 'utf8')).trim().split('\n');
  return mounts
    .map((line) => line.split(' ')[1] ?? '')
    .filter((path) => path.startsWith(`${folder}/`))
    .toSorted()
    .toReversed();
}

export async function unmountBelow(folder: string): Promise<void> {
  for (const path of await mountsBelow(folder)) await run(['umount', '--lazy', path]);
}

/** Where containers without a class of their own have their cgroups; by controller on cgroup v1. */
export async function cgroupParents(): Promise<string[]> {
  const root = '/sys/fs/cgroup';
  const controllers = await readdir(root, { withFileTypes: true });
  const folders = controllers
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => join(root, name));
  return [root, ...folders].map((folder) => join(folder, 'k8s.io'));
}

async function removed(cgroup: string): Promise<boolean> {
  try {
    await rmdir(cgroup);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return true;
    if (code === 'EBUSY' || code === 'ENOTEMPTY') return false;
    throw error;
  }
}

/** The pod network's, and those of each sandbox's loopback device. */
async function removeNetworkResults(layout: Layout, ids: readonly string[]): Promise<void> {
  const loopbacks = new Set(ids.map((id) => `cni-loopback-${id}-lo`));
  for (const name of await readIfThere(() => readdir(networkResults), [])) {
    const isOurs = name.startsWith(`${podNetworkName(layout)}-`) || loopbacks.has(name);
    if (isOurs) await rm(join(networkResults, name), { force: true });
  }
}

/** The kubelet makes a link to each log, at a place that can't be told to it. */
async function removeLinks(layout: Layout): Promise<void> {
  for (const name of await readIfThere(() => readdir(containerLogs), [])) {
    const link = join(containerLogs, name);
    const target = await readlink(link);
    if (target.startsWith(`${podLogs(layout)}/`)) await unlink(link);
  }
}
