/** The emulated machine. It is frozen and thawed with the same devices and the same program, or it does not wake up. */
import { rm, symlink } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { z } from 'zod';
import type { Layout } from '../layout.ts';
import { startProcess } from '../processes.ts';
import { run } from '../run.ts';
import { until } from '../../parts/until.ts';
import { diskFiles } from './make-disk.ts';

export interface MachineToStart {
  readonly layout: Layout;
  /** Has `diskFiles`. */
  readonly made: string;
  /** qcow2, written to. */
  readonly disk: string;
  readonly name: string;
  /** The memory to go on from, or nothing to boot. */
  readonly memory?: string;
  /** Words before the command, such as those that put it into a network namespace. */
  readonly inside?: readonly string[];
}

const program = 'qemu-system-aarch64';
/** Without pointer authentication and vectors, which are slow to emulate. */
const processor = 'max,pauth=off,sve=off,sme=off';

/** Which QEMU it is: its frozen machines are for no other. */
export async function machineVersion(): Promise<string> {
  return (await run([program, '--version'])).split('\n')[0] ?? '';
}

/** Its folder's paths are what QEMU's commands name, since they go through a shell: none has a space. */
export async function startMachine(machine: MachineToStart): Promise<void> {
  const { layout, made, disk, name, memory, inside = [] } = machine;
  const { folder } = layout;
  const link = join(folder, 'memory');
  await rm(link, { force: true });
  if (memory !== undefined) await symlink(memory, link);
  const command = [
    ...inside,
    program,
    ...pairs({
      machine: 'virt-7.2,gic-version=3',
      cpu: processor,
      accel: 'tcg,thread=multi,tb-size=512',
      smp: '2',
      m: '1536',
      display: 'none',
      kernel: join(made, diskFiles.kernel),
      initrd: join(made, diskFiles.firstFiles),
      append: 'console=ttyAMA0 rdinit=/init quiet mitigations=off nokaslr',
      drive: `if=none,id=disk,file=${disk},format=qcow2,cache=unsafe,aio=threads,discard=unmap`,
      netdev: `tap,id=net,ifname=${layout.tap},script=no,downscript=no`,
      serial: `file:${consoleFile(folder)}`,
      qmp: `unix:${monitorSocket(folder)},server=on,wait=off`,
    }),
    '-nodefaults',
    ...['virtio-blk-pci,drive=disk,romfile=', netDevice, 'virtio-rng-pci'].flatMap(device),
    ...(memory === undefined ? [] : ['-incoming', 'exec:cat memory']),
  ];
  await startProcess(folder, { name, command });
}

const netDevice = 'virtio-net-pci,netdev=net,romfile=,mac=52:54:00:88:00:03';
const device = (what: string) => ['-device', what];

export function consoleFile(folder: string): string {
  return join(folder, 'log', 'arm64-console.log');
}

/** Writes the running machine's memory to `memory` in its folder, and ends the machine. */
export async function freezeMachine(folder: string): Promise<string> {
  const monitor = await connectMonitor(monitorSocket(folder));
  try {
    await monitor.ask('qmp_capabilities');
    await monitor.ask('migrate', { uri: 'exec:cat > memory' });
    const done = async () => {
      const { status } = Migration.parse(await monitor.ask('query-migrate'));
      if (status === 'failed') throw new Error('QEMU could not write the memory');
      return status === 'completed';
    };
    await until('the memory is written', done, 120_000);
    await monitor.ask('quit');
  } finally {
    monitor.close();
  }
  return join(folder, 'memory');
}

const Migration = z.object({ status: z.string().optional() });
const Answer = z.object({ return: z.unknown(), error: z.object({ desc: z.string() }).optional() });

/** Source: QEMU's docs/interop/qmp-spec. */
async function connectMonitor(path: string) {
  const socket = connect(path);
  const lines = createInterface({ input: socket })[Symbol.asyncIterator]();
  const next = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error('QEMU ended');
    return JSON.parse(value) as unknown;
  };
  await next();
  return {
    ask: async (execute: string, given: Readonly<Record<string, unknown>> = {}) => {
      socket.write(`${JSON.stringify({ execute, arguments: given })}\n`);
      for (;;) {
        const message = await next();
        const isEvent = typeof message === 'object' && message !== null && 'event' in message;
        if (isEvent) continue;
        const answer = Answer.parse(message);
        if (answer.error) throw new Error(`QEMU refuses ${execute}: ${answer.error.desc}`);
        return answer.return;
      }
    },
    close: () => socket.destroy(),
  };
}

function monitorSocket(folder: string): string {
  return join(folder, 'monitor');
}

function pairs(settings: Readonly<Record<string, string>>): string[] {
  return Object.entries(settings).flatMap(([name, value]) => [`-${name}`, value]);
}
