/** The arm64 node: a machine of that architecture, thawed where it was about to join. */
import { join } from 'node:path';
import type { ApiClient } from '../api-client.ts';
import { nodeNames, type Layout } from '../layout.ts';
import { plugIn } from '../network.ts';
import { run } from '../run.ts';
import { untilNodeReady } from '../until-node-ready.ts';
import { frozenFiles } from './freeze.ts';
import { startMachine } from './machine.ts';

/** `frozen` is the folder of `freezeArm64`. */
export async function joinArm64Node(frozen: string, layout: Layout, api: ApiClient): Promise<void> {
  const name = nodeNames.arm64;
  // What an earlier machine said of itself may not be taken for this one's.
  await api.send('DELETE', `/api/v1/nodes/${name}`);
  await plugIn(layout);
  const disk = join(layout.folder, 'arm64.qcow2');
  const backing = ['-b', join(frozen, frozenFiles.disk), '-F', 'qcow2'];
  await run(['qemu-img', 'create', '-q', '-f', 'qcow2', ...backing, disk]);
  const memory = join(frozen, frozenFiles.memory);
  await startMachine({ layout, made: frozen, disk, name, memory });
  await untilNodeReady(api, name);
}
