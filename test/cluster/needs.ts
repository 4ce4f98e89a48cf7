/** What a cluster needs of the machine beyond `npm test`'s other needs. */
import { findNeed, installCommand } from '../../apps/cli/src/machine/needs.mjs';
import type { MachineNeed } from '../../apps/cli/src/machine/needs.mjs';

function need(debianPackage: string, purpose: string, ...anyOf: readonly string[]): MachineNeed {
  return { name: debianPackage, purpose, debianPackage, anyOf, modes: ['test'] };
}

const nodeNeeds = [
  need('containerd', 'run pods', 'containerd'),
  need('runc', 'run pods', 'runc'),
  need('containernetworking-plugins', 'connect pods', '/usr/lib/cni/bridge'),
  need('docker-registry', "hold the cluster's images", 'docker-registry'),
  need('iproute2', 'connect pods', 'ip'),
  need('iptables', 'let pods reach Services', 'iptables'),
  need('openssl', 'make certificates', 'openssl'),
  need('mount', 'clean up after pods', 'umount'),
  need('util-linux', 'start one cluster at a time', 'flock'),
];

const arm64Needs = [
  need('qemu-system-arm', 'run the arm64 node', 'qemu-system-aarch64'),
  need('qemu-utils', "make the arm64 node's disk", 'qemu-img'),
  need('e2fsprogs', "make the arm64 node's disk", 'mke2fs'),
  need('kmod', "list the arm64 node's modules", 'depmod'),
  need('mmdebstrap', "fetch the arm64 node's packages", 'mmdebstrap'),
  need('cpio', 'start the arm64 node', 'cpio'),
];

const goVersion = '1.26';

/** Sentences that say what is missing, each with what to do; empty where a cluster can be started. */
export function missingForCluster({ arm64 }: { arm64: boolean }): string[] {
  const searchPath = process.env['PATH'] ?? '';
  const has = (one: MachineNeed) => findNeed(one, { searchPath }) !== undefined;
  const lacking = [...nodeNeeds, ...(arm64 ? arm64Needs : [])].filter((one) => !has(one));
  const sentences = [];
  if (process.getuid?.() !== 0)
    sentences.push('only root may start its nodes: run the tests as root');
  if (!has(need('golang', 'build Kubernetes', 'go'))) {
    sentences.push(`Go builds Kubernetes: install Go ${goVersion} from https://go.dev/dl`);
  }
  if (lacking.length > 0) {
    const names = lacking.map(({ debianPackage }) => debianPackage).join(', ');
    sentences.push(`this machine lacks ${names}: ${installCommand(lacking)}`);
  }
  return sentences;
}
