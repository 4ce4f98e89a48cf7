import { readFile, writeFile } from 'node:fs/promises';
import type { Layout } from './layout.ts';
import { run } from './run.ts';

const forwarding = '/proc/sys/net/ipv4/ip_forward';

/** A bridge that carries the machine's own address, since a node's may not be a loopback one, and the way to the
 *  arm64 machine's pods. */
export async function makeNetwork(layout: Layout): Promise<void> {
  const { nodeBridge, hostAddress } = layout;
  await ip('link', 'add', nodeBridge, 'type', 'bridge');
  await ip('address', 'add', `${hostAddress}/24`, 'dev', nodeBridge);
  await ip('link', 'set', nodeBridge, 'up');
  // Restored by nobody: another program may have come to need it meanwhile.
  if ((await readFile(forwarding, 'utf8')).trim() !== '1') await writeFile(forwarding, '1');
}

/** Where the arm64 machine's network card is plugged in; it may be there from a machine that died. */
export async function plugIn({ tap, nodeBridge, podSubnets, arm64Address }: Layout): Promise<void> {
  if ((await linkNames()).includes(tap)) await ip('link', 'delete', tap);
  await ip('tuntap', 'add', tap, 'mode', 'tap');
  await ip('link', 'set', tap, 'master', nodeBridge);
  // A pod of the machine that asks for a Service of another one there is sent back by where it came from.
  await ip('link', 'set', tap, 'type', 'bridge_slave', 'hairpin', 'on');
  await ip('link', 'set', tap, 'up');
  await ip('route', 'replace', podSubnets.arm64, 'via', arm64Address, 'dev', nodeBridge);
}

export async function removeNetwork({ nodeBridge, podBridge, tap }: Layout): Promise<void> {
  const there = new Set(await linkNames());
  for (const link of [tap, podBridge, nodeBridge]) {
    if (there.has(link)) await ip('link', 'delete', link);
  }
}

export async function linkNames(): Promise<string[]> {
  const links = JSON.parse(await ip('-json', 'link', 'show')) as { ifname: string }[];
  return links.map(({ ifname }) => ifname);
}

function ip(...args: string[]): Promise<string> {
  return run(['ip', ...args]);
}
