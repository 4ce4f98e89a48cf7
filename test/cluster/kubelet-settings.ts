import type { Layout } from './layout.ts';

export interface KubeletPaths {
  /** Of the node itself. */
  readonly certificateAuthority: string;
  readonly certificate: string;
  readonly key: string;
  readonly containerdSocket: string;
  readonly volumePlugins: string;
}

/** What both nodes' kubelets are told. cgroup v1 hosts are served too, which is why pods get no cgroups by class. */
export function kubeletSettings(
  { address, dns }: { address: string; dns: string },
  paths: KubeletPaths,
): Record<string, unknown> {
  return {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    address,
    port: 10250,
    readOnlyPort: 0,
    healthzPort: 0,
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: true },
      x509: { clientCAFile: paths.certificateAuthority },
    },
    authorization: { mode: 'Webhook' },
    tlsCertFile: paths.certificate,
    tlsPrivateKeyFile: paths.key,
    containerRuntimeEndpoint: `unix://${paths.containerdSocket}`,
    volumePluginDir: paths.volumePlugins,
    cgroupDriver: 'cgroupfs',
    enforceNodeAllocatable: [],
    failSwapOn: false,
    failCgroupV1: false,
    makeIPTablesUtilChains: false,
    resolvConf: '',
    clusterDNS: [dns],
    clusterDomain: 'cluster.local',
    evictionHard: {
      'memory.available': '100Mi',
      'nodefs.available': '1%',
      'imagefs.available': '1%',
    },
  };
}

/** containerd's answer to "how is this registry reached": by plain http. */
export function registryHosts({ registry }: Layout): string {
  return `server = "http://${registry}"\n[host."http://${registry}"]\n  capabilities = ["pull", "resolve"]\n`;
}

/** The pods' network of a node: a bridge, and everything else by way of the node. `hairpinMode` is for a pod that asks
 *  for its own Service. */
export function podNetwork(settings: {
  name: string;
  bridge: string;
  subnet: string;
  /** Where given-out addresses are written down. */
  addresses: string;
}): string {
  const { name, bridge, subnet, addresses } = settings;
  const ipam = {
    type: 'host-local',
    dataDir: addresses,
    ranges: [[{ subnet }]],
    routes: [{ dst: '0.0.0.0/0' }],
  };
  const plugin = {
    type: 'bridge',
    bridge,
    isGateway: true,
    ipMasq: false,
    hairpinMode: true,
    ipam,
  };
  return JSON.stringify({ cniVersion: '0.4.0', name, plugins: [plugin] });
}
