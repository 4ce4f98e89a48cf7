/**
 * Boots the arm64 machine once, up to where it would join a cluster, and freezes it there. This happens in a network
 * namespace: the machine finds a registry under the cluster's address, and no API server, whatever else is running.
 */
import { createHash } from 'node:crypto';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buildImage, largeLayersKey, pushImage } from '../../image/build-image.ts';
import { until } from '../../parts/until.ts';
import { cacheEntry } from '../cache-entry.ts';
import { kubeconfigFor, type ClusterParts } from '../control-plane.ts';
import { makeImages } from '../images.ts';
import type { Layout } from '../layout.ts';
import { unmountBelow } from '../leftovers.ts';
import { isRunning, readIfThere, recordedProcesses, stopProcess } from '../processes.ts';
import { registryStorage, startRegistryServer } from '../registry-server.ts';
import { run } from '../run.ts';
import { buildTool } from '../tools.ts';
import { guestFiles, ourImage, readyToFreeze } from './guest-files.ts';
import { consoleFile, freezeMachine, machineVersion, startMachine } from './machine.ts';
import { diskFiles, fetchDebianArm64, makeDisk } from './make-disk.ts';

/** What is in a frozen machine's folder, beside `diskFiles`. */
export const frozenFiles = { disk: 'disk.qcow2', memory: 'memory' } as const;

const machineName = 'machine';
const bootTimeoutMs = 10 * 60_000;

/** Answers the folder of the frozen machine, from the cache if nothing that it is made of has changed. */
export async function freezeArm64(
  parts: ClusterParts,
  log: (sentence: string) => void,
): Promise<string> {
  const { layout } = parts;
  const images = await makeImages(layout, log);
  const kubelet = await buildTool('kubelet', 'arm64', log);
  const debian = await fetchDebianArm64();
  const kubeconfig = await kubeconfigFor('node-arm64', parts);
  const files = await guestFiles(layout, { certificates: parts.certificates, kubeconfig });
  const hash = createHash('sha256').update(JSON.stringify([images, kubelet, debian, files]));
  for (const name of ['machine.ts', 'make-disk.ts']) {
    hash.update(await readFile(join(import.meta.dirname, name)));
  }
  const key = hash
    .update(await machineVersion())
    .update(await largeLayersKey())
    .digest('hex')
    .slice(0, 32);
  return cacheEntry({ kind: `arm64-${layout.number}`, key }, async (made) => {
    log('freezing an arm64 machine');
    await makeDisk(made, { debian, kubelet, files });
    await bootAndFreeze(layout, { made, images, ours: await buildImage(log) });
  });
}

/** Ends what a freezing that was cut off has left. */
export async function removeFreezer(layout: Layout): Promise<void> {
  const { folder } = freezerOf(layout);
  const names = await recordedProcesses(folder);
  await Promise.all(names.map((name) => stopProcess(folder, name)));
  await unmountBelow(folder);
  await rm(folder, { recursive: true, force: true });
}

async function bootAndFreeze(
  layout: Layout,
  { made, images, ours }: { made: string; images: string; ours: string },
): Promise<void> {
  const freezer = freezerOf(layout);
  const { folder } = freezer;
  await removeFreezer(layout);
  try {
    await mkdir(folder);
    const inside = await makeNetworkSpace(freezer);
    await run(['cp', '--archive', '--reflink=auto', images, registryStorage(folder)]);
    await startRegistryServer(folder, layout.registry, inside);
    await pushImage(ours, ourImage(layout), inside);
    const disk = join(made, frozenFiles.disk);
    // By a relative name, so that both files may move together.
    const backing = ['-b', diskFiles.disk, '-F', 'raw'];
    await run(['qemu-img', 'create', '-q', '-f', 'qcow2', ...backing, disk], { cwd: made });
    await startMachine({ layout: freezer, made, disk, name: machineName, inside });
    await until('the arm64 machine is ready', () => mayFreeze(folder), bootTimeoutMs);
    const memory = await freezeMachine(folder);
    await stopProcess(folder, machineName);
    await run(['mv', memory, join(made, frozenFiles.memory)]);
  } finally {
    await removeFreezer(layout);
  }
}

async function mayFreeze(folder: string): Promise<boolean> {
  const said = await readIfThere(() => readFile(consoleFile(folder), 'utf8'), '');
  if (said.includes(readyToFreeze)) return true;
  if (await isRunning(folder, machineName)) return false;
  throw new Error(`the arm64 machine ended; its console: ${said.slice(-2000)}`);
}

function freezerOf(layout: Layout): Layout {
  return { ...layout, folder: `${layout.folder}-freezer` };
}

/** Answers the words that run a command in it. */
async function makeNetworkSpace({
  folder,
  nodeBridge,
  hostAddress,
  tap,
}: Layout): Promise<string[]> {
  const space = join(folder, 'network');
  await writeFile(space, '');
  await run(['unshare', `--net=${space}`, 'true']);
  const inside = ['nsenter', `--net=${space}`];
  const ip = (...args: string[]) => run([...inside, 'ip', ...args]);
  await ip('link', 'set', 'lo', 'up');
  await ip('link', 'add', nodeBridge, 'type', 'bridge');
  await ip('address', 'add', `${hostAddress}/24`, 'dev', nodeBridge);
  await ip('link', 'set', nodeBridge, 'up');
  await ip('tuntap', 'add', tap, 'mode', 'tap');
  await ip('link', 'set', tap, 'master', nodeBridge, 'up');
  return inside;
}
