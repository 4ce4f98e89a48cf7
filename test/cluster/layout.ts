import { join } from 'node:path';
import { defaultCacheDir } from '../../apps/cli/src/cache-directory.ts';

/** Where the parts of one cluster are. Clusters of different numbers run side by side on a machine. */
export interface Layout {
  readonly number: number;
  /** All that a running cluster writes. Short, since a socket's path has at most 107 bytes. */
  readonly folder: string;
  /** What is expensive to make, and stays between runs. */
  readonly cache: string;
  /** The machine itself, as nodes and pods reach it. */
  readonly hostAddress: string;
  readonly arm64Address: string;
  readonly nodeSubnet: string;
  readonly podSubnets: Readonly<Record<NodeArchitecture, string>>;
  readonly apiServer: string;
  /** `address:port`; pods reach it by this name too. */
  readonly registry: string;
  /** etcd asks for no credentials, so no pod may reach it. */
  readonly etcd: string;
  readonly nodeBridge: string;
  readonly podBridge: string;
  readonly tap: string;
}

export type NodeArchitecture = 'amd64' | 'arm64';

export const nodeNames = { amd64: 'node-amd64', arm64: 'node-arm64' } as const;

/** What tests share, unless they need one of their own. */
export const sharedCluster = 88;

/** `number` is the second part of all addresses: 10.NUMBER.0.0/16. */
export function layoutOf(number: number): Layout {
  const net = `10.${number}`;
  return {
    number,
    folder: `/tmp/hephy-cluster-${number}`,
    cache: clusterCache(),
    hostAddress: `${net}.0.1`,
    arm64Address: `${net}.0.3`,
    nodeSubnet: `${net}.0.0/24`,
    podSubnets: { amd64: `${net}.1.0/24`, arm64: `${net}.2.0/24` },
    apiServer: `https://${net}.0.1:6443`,
    registry: `${net}.0.1:5050`,
    etcd: `127.0.${number}.1`,
    nodeBridge: `hephy${number}`,
    podBridge: `hephy${number}-pods`,
    tap: `hephy${number}-arm64`,
  };
}

export function clusterCache(): string {
  return join(defaultCacheDir(process.env), 'cluster');
}
