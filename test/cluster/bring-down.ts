import { rm } from 'node:fs/promises';
import { removeFreezer } from './arm64/freeze.ts';
import type { Layout } from './layout.ts';
import { listContainers, removeLeftovers } from './leftovers.ts';
import { removeNetwork } from './network.ts';
import { recordedProcesses, stopProcess } from './processes.ts';
import { proxyName, removeServiceRules } from './services.ts';

/** Ends all that belongs to the cluster, also what is left of one that died. Nothing of it stays on the machine. */
export async function bringDown(layout: Layout): Promise<void> {
  const names = await recordedProcesses(layout.folder);
  await Promise.all(names.map((name) => stopProcess(layout.folder, name)));
  if (names.includes(proxyName)) await removeServiceRules();
  await removeLeftovers(layout, await listContainers(layout));
  await removeNetwork(layout);
  await removeFreezer(layout);
  await rm(layout.folder, { recursive: true, force: true });
}
