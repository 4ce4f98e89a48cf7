/**
 * What the arm64 machine has beside Debian's packages: its start scripts and its node's settings. busybox is its
 * init. On the way to being frozen it fetches its images and starts its kubelet, which finds no API server; so
 * that the thawed kubelet registers itself with whichever cluster it wakes up in.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { imagesOf } from '../images.ts';
import { kubeletSettings, podNetwork, registryHosts } from '../kubelet-settings.ts';
import { nodeNames, type Layout } from '../layout.ts';

export interface GuestFile {
  readonly content: string | Buffer;
  readonly mode?: number;
}

/** What the machine's console says when it may be frozen. */
export const readyToFreeze = 'hephy: ready to freeze';

/** Pulled before the freeze, so that a thawed machine fetches of ours only what changes with each commit. */
export function ourImage({ registry }: Pick<Layout, 'registry'>): string {
  return `${registry}/hephy:frozen`;
}

const node = '/etc/node';
const containerdSocket = '/run/containerd/containerd.sock';
const script = (content: string): GuestFile => ({
  content: `#!/bin/busybox sh\nexport PATH=/usr/sbin:/usr/bin:/sbin:/bin\n${content}`,
  mode: 0o755,
});

/** By path. `kubeconfig` is the node's own. */
export async function guestFiles(
  layout: Layout,
  from: { certificates: string; kubeconfig: string },
): Promise<Record<string, GuestFile>> {
  const name = nodeNames.arm64;
  const certificate = (file: string) => readFile(join(from.certificates, file));
  return {
    ...startScripts(layout),
    ...containerdFiles(layout),
    '/etc/hostname': { content: `${name}\n` },
    '/etc/hosts': { content: `127.0.0.1 localhost ${name}\n` },
    '/etc/machine-id': {
      content: `${'0'.repeat(28)}${layout.number.toString(16).padStart(4, '0')}\n`,
    },
    '/etc/passwd': { content: 'root:x:0:0:root:/root:/bin/sh\n' },
    '/etc/group': { content: 'root:x:0:\n' },
    '/etc/resolv.conf': { content: '' },
    [`${node}/kubeconfig`]: { content: await readFile(from.kubeconfig), mode: 0o600 },
    [`${node}/ca.crt`]: { content: await certificate('ca.crt') },
    [`${node}/node.crt`]: { content: await certificate(`${name}.crt`) },
    [`${node}/node.key`]: { content: await certificate(`${name}.key`), mode: 0o600 },
    [`${node}/kubelet.json`]: {
      content: JSON.stringify({
        ...kubeletSettings(
          { address: layout.arm64Address, dns: layout.hostAddress },
          {
            certificateAuthority: `${node}/ca.crt`,
            certificate: `${node}/node.crt`,
            key: `${node}/node.key`,
            containerdSocket,
            volumePlugins: '/var/lib/kubelet/volume-plugins',
          },
        ),
        // An emulated machine is slow to answer.
        runtimeRequestTimeout: '5m',
      }),
    },
  };
}

function startScripts(layout: Layout): Record<string, GuestFile> {
  return {
    '/etc/inittab': {
      content: [
        '::sysinit:/etc/start-machine',
        '::respawn:/etc/start-containerd',
        '::respawn:/etc/start-kubelet',
        '::respawn:/etc/follow-clock',
        '::once:/etc/prepare-to-freeze',
        '',
      ].join('\n'),
    },
    '/etc/start-machine': script(`
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mkdir -p /dev/pts /dev/shm
mount -t devpts -o gid=5,mode=620 devpts /dev/pts
for folder in /dev/shm /run /tmp; do mount -t tmpfs tmpfs $folder; done
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t bpf bpf /sys/fs/bpf
mount --make-rshared /
busybox hostname -F /etc/hostname
modprobe -a overlay bridge veth virtio_net virtio_rng
echo 1 > /proc/sys/net/ipv4/ip_forward
busybox ip link set lo up
busybox ip link set eth0 up
busybox ip address add ${layout.arm64Address}/24 dev eth0
busybox ip route add default via ${layout.hostAddress}
`),
    '/etc/start-containerd': script('exec containerd >> /var/log/containerd.log 2>&1\n'),
    '/etc/start-kubelet': script(`
until [ -e /run/prepared ]; do busybox usleep 100000; done
exec kubelet --config=${node}/kubelet.json --kubeconfig=${node}/kubeconfig \\
  --hostname-override=${nodeNames.arm64} --node-ip=${layout.arm64Address} \\
  --housekeeping-interval=30s >> /var/log/kubelet.log 2>&1
`),
    '/etc/follow-clock': followClock,
    '/etc/prepare-to-freeze': prepareToFreeze(layout),
  };
}

/** After a thaw the kernel's clock is old, but the machine's is the host's. bash's own words only: no process is
 *  started while nothing is to do. */
const followClock: GuestFile = {
  content: `#!/bin/bash
mkfifo -m 600 /run/clock 2>/dev/null
exec 9<>/run/clock
while :; do
  read -t 0.5 -u 9 nothing
  read now < /sys/class/rtc/rtc0/since_epoch
  behind=$((now - EPOCHSECONDS))
  if [ $behind -gt 2 ] || [ $behind -lt -2 ]; then date -s @$now > /dev/null; fi
done
`,
  mode: 0o755,
};

/** A first container and a look at the network's programs put them into the page cache, where the thawed
 *  machine finds them. Our own image is large, and would only make the frozen memory so. */
function prepareToFreeze(layout: Layout): GuestFile {
  const { pause, kaniko, base } = imagesOf(layout);
  return script(`
pull() {
  until ctr -n k8s.io images pull --hosts-dir /etc/containerd/registries --platform linux/arm64 $1 > /dev/null 2> /dev/console
  do busybox sleep 1; done
}
until [ -S ${containerdSocket} ]; do busybox usleep 100000; done
pull ${ourImage(layout)}
sync
echo 3 > /proc/sys/vm/drop_caches
for image in ${pause} ${base} ${kaniko}; do pull $image; done
ctr -n k8s.io run --rm ${base} first true
cat /usr/lib/cni/bridge /usr/lib/cni/host-local /usr/lib/cni/loopback > /dev/null
sync
fstrim /
touch /run/prepared
until busybox grep -qs 'Attempting to register node' /var/log/kubelet.log; do busybox usleep 200000; done
sync
echo '${readyToFreeze}' > /dev/console
`);
}

/** crun instead of runc: it starts in half the time, which counts on an emulated machine. */
function containerdFiles(layout: Layout): Record<string, GuestFile> {
  const config = `version = 2
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.aufs", "io.containerd.tracing.processor.v1.otlp", "io.containerd.internal.v1.tracing"]
[grpc]
  address = "${containerdSocket}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${imagesOf(layout).pause}"
  stream_server_address = "127.0.0.1"
  stats_collect_period = 60
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "/etc/containerd/registries"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "/etc/cni/net.d"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      BinaryName = "/usr/bin/crun"
`;
  const network = podNetwork({
    name: 'pods',
    bridge: 'pods',
    subnet: layout.podSubnets.arm64,
    addresses: '/run/addresses',
  });
  return {
    '/etc/containerd/config.toml': { content: config },
    [`/etc/containerd/registries/${layout.registry}/hosts.toml`]: {
      content: registryHosts(layout),
    },
    '/etc/cni/net.d/10-pods.conflist': { content: network },
  };
}
