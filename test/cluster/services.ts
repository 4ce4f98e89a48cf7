/** Services and names for pods: kube-proxy and CoreDNS, on this machine for both nodes, whose pods' way out it is.
 *  kube-proxy's rules are one set for a whole machine, so only one cluster at a time can have them. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { kubeconfigFor, type ClusterParts } from './control-plane.ts';
import { nodeNames, sharedCluster } from './layout.ts';
import { startProcess, untilReady } from './processes.ts';
import { run } from './run.ts';
import { buildTool } from './tools.ts';

export const proxyName = 'kube-proxy';
const dnsName = 'coredns';
export const serviceProcesses: readonly string[] = [proxyName, dnsName];

export async function startServices(parts: ClusterParts): Promise<void> {
  const { number } = parts.layout;
  if (number !== sharedCluster)
    throw new Error(`cluster ${number} can't have services: only the shared one can`);
  await Promise.all([startProxy(parts), startDns(parts)]);
}

/** What kube-proxy has set up stays when it ends, and two of its chains even when it cleans up. */
export async function removeServiceRules(): Promise<void> {
  await run([await buildTool('kube-proxy'), '--cleanup']);
  for (const program of ['iptables', 'ip6tables']) {
    for (const table of ['filter', 'mangle', 'nat']) {
      const iptables = [program, '-w', '-t', table];
      for (const chain of ['KUBE-FIREWALL', 'KUBE-PROXY-CANARY'])
        await removeIfEmpty(chain, iptables);
    }
  }
}

async function removeIfEmpty(chain: string, iptables: readonly string[]): Promise<void> {
  const rules = (await run([...iptables, '-S'])).split('\n');
  const hasRules = rules.some((rule) => rule.startsWith(`-A ${chain} `));
  if (hasRules || !rules.includes(`-N ${chain}`)) return;
  for (const parent of ['INPUT', 'OUTPUT']) {
    const jump = [parent, '-j', chain];
    if (rules.includes(`-A ${jump.join(' ')}`)) await run([...iptables, '-D', ...jump]);
  }
  await run([...iptables, '-X', chain]);
}

async function startProxy(parts: ClusterParts): Promise<void> {
  const { folder, hostAddress, etcd } = parts.layout;
  const health = `${hostAddress}:10256`;
  const command = [
    await buildTool('kube-proxy'),
    `--kubeconfig=${await kubeconfigFor(proxyName, parts)}`,
    `--hostname-override=${nodeNames.amd64}`,
    '--proxy-mode=iptables',
    // A pod's answer to a neighbour on its bridge would not come by the machine, and so under the wrong address.
    '--masquerade-all',
    '--iptables-localhost-nodeports=false',
    `--healthz-bind-address=${health}`,
    `--metrics-bind-address=${etcd}:10249`,
    // These are the machine's, and not always ours to set.
    '--conntrack-max-per-core=0',
    '--conntrack-tcp-timeout-established=0',
    '--conntrack-tcp-timeout-close-wait=0',
  ];
  await startProcess(folder, { name: proxyName, command });
  await untilReady({ folder, name: proxyName }, () => answers(`http://${health}/healthz`));
}

async function startDns(parts: ClusterParts): Promise<void> {
  const { folder, hostAddress } = parts.layout;
  const ready = `${hostAddress}:8181`;
  const config = join(folder, 'Corefile');
  await writeFile(
    config,
    `. {
  bind ${hostAddress}
  errors
  ready ${ready}
  kubernetes cluster.local {
    kubeconfig ${await kubeconfigFor('admin', parts)}
  }
}
`,
  );
  await startProcess(folder, {
    name: dnsName,
    command: [await buildTool('coredns'), '-conf', config],
  });
  await untilReady({ folder, name: dnsName }, () => answers(`http://${ready}/ready`));
}

async function answers(url: string): Promise<boolean> {
  return fetch(url).then(
    ({ ok }) => ok,
    () => false,
  );
}
