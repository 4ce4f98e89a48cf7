/** The amd64 node: this machine, with a containerd and a kubelet of the cluster's own. */
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { kubeconfigFor } from './control-plane.ts';
import type { ClusterParts } from './control-plane.ts';
import { kubeletSettings, podNetwork, registryHosts } from './kubelet-settings.ts';
import { nodeNames } from './layout.ts';
import type { Layout } from './layout.ts';
import { startProcess, untilReady } from './processes.ts';
import { buildTool } from './tools.ts';

export const containerdName = 'containerd';

export function containerdState({ folder }: Layout): string {
  return join(folder, 'containerd', 'state');
}

/** What the pod network's leftovers are named after. */
export function podNetworkName({ number }: Layout): string {
  return `hephy-cluster-${number}`;
}

export async function startContainerd(layout: Layout, pauseImage: string): Promise<void> {
  const folder = join(layout.folder, 'containerd');
  const certs = join(folder, 'registries');
  const networks = join(folder, 'networks');
  const registryFolder = join(certs, layout.registry);
  await Promise.all([registryFolder, networks].map((path) => mkdir(path, { recursive: true })));
  await writeFile(join(registryFolder, 'hosts.toml'), registryHosts(layout));
  const network = podNetwork({
    name: podNetworkName(layout),
    bridge: layout.podBridge,
    subnet: layout.podSubnets.amd64,
    addresses: join(folder, 'addresses'),
  });
  await writeFile(join(networks, '10-pods.conflist'), network);
  const config = join(folder, 'config.toml');
  await writeFile(config, containerdConfig(layout, { pauseImage, folder, certs, networks }));
  const name = containerdName;
  await startProcess(layout.folder, { name, command: ['containerd', '--config', config] });
  const socket = containerdSocket(layout);
  await untilReady({ folder: layout.folder, name }, async () => existsSync(socket));
}

export async function startHostKubelet(
  parts: ClusterParts,
  changes: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  const { layout, certificates } = parts;
  const folder = join(layout.folder, 'kubelet');
  await mkdir(folder, { recursive: true });
  const node = nodeNames.amd64;
  const settings = {
    ...kubeletSettings(
      { address: layout.hostAddress, dns: layout.hostAddress },
      {
        certificateAuthority: join(certificates, 'ca.crt'),
        certificate: join(certificates, `${node}.crt`),
        key: join(certificates, `${node}.key`),
        containerdSocket: containerdSocket(layout),
        volumePlugins: join(folder, 'volume-plugins'),
      },
    ),
    cgroupsPerQOS: false,
    podLogsDir: podLogs(layout),
    ...changes,
  };
  const config = join(folder, 'config.json');
  await writeFile(config, JSON.stringify(settings));
  const flags = [
    `--config=${config}`,
    `--kubeconfig=${await kubeconfigFor(node, parts)}`,
    `--hostname-override=${node}`,
    `--node-ip=${layout.hostAddress}`,
    `--root-dir=${join(folder, 'root')}`,
    `--cert-dir=${join(folder, 'certificates')}`,
  ];
  const command = [await buildTool('kubelet'), ...flags];
  await startProcess(layout.folder, { name: 'kubelet', command });
}

export function podLogs({ folder }: Layout): string {
  return join(folder, 'pod-logs');
}

function containerdSocket({ folder }: Layout): string {
  return join(folder, 'containerd', 'socket');
}

/** `restrict_oom_score_adj`: where this machine is itself a container, not even root may lower that number. */
function containerdConfig(
  layout: Layout,
  paths: { pauseImage: string; folder: string; certs: string; networks: string },
): string {
  const { pauseImage, folder, certs, networks } = paths;
  return `version = 2
root = "${join(folder, 'root')}"
state = "${containerdState(layout)}"
[grpc]
  address = "${containerdSocket(layout)}"
[plugins."io.containerd.internal.v1.opt"]
  path = "${join(folder, 'opt')}"
[plugins."io.containerd.grpc.v1.cri"]
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  sandbox_image = "${pauseImage}"
  stream_server_address = "127.0.0.1"
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "${certs}"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "${networks}"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
`;
}
