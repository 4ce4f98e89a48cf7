/** What NetworkPolicies allow, as cyclonus reads them: the network of the tests' cluster enforces none. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from './run.ts';
import { buildTool } from './tools.ts';

export interface Peer {
  readonly address: string;
  /** Without one it is outside of the cluster, or a node: no policy applies to it. */
  readonly pod?: { readonly namespace: string; readonly labels: Readonly<Record<string, string>> };
}

export interface Connection {
  readonly from: Peer;
  readonly to: Peer;
  /** As the pod that is asked names and numbers it, and not its Service. */
  readonly port: { readonly number: number; readonly name?: string };
  readonly protocol?: 'TCP' | 'UDP';
}

const answers = /IS ALLOWED\? *\| *(TRUE|FALSE) /g;

/** Answers in the order of the connections. A range of addresses counts for pods too, as most networks have it. */
export async function areAllowed(
  policies: readonly object[],
  connections: readonly Connection[],
): Promise<boolean[]> {
  const folder = await mkdtemp(join(tmpdir(), 'hephy-policies-'));
  try {
    const policyPath = join(folder, 'policies.json');
    const list = { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicyList', items: policies };
    await writeFile(policyPath, JSON.stringify(list));
    const trafficPath = join(folder, 'traffic.json');
    await writeFile(trafficPath, JSON.stringify(connections.map(asTraffic)));
    const said = await run([
      await buildTool('cyclonus'),
      'analyze',
      '--mode=query-traffic',
      '--simplify-policies=false',
      `--policy-path=${policyPath}`,
      `--traffic-path=${trafficPath}`,
    ]);
    const allowed = [...said.matchAll(answers)].map(([, answer]) => answer === 'TRUE');
    if (allowed.length === connections.length) return allowed;
    throw new Error(`cyclonus answered ${allowed.length} of ${connections.length}:\n${said}`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Source: the type Traffic of cyclonus' package matcher. */
function asTraffic({ from, to, port, protocol = 'TCP' }: Connection): object {
  return {
    Source: asTrafficPeer(from),
    Destination: asTrafficPeer(to),
    ResolvedPort: port.number,
    ResolvedPortName: port.name ?? '',
    Protocol: protocol,
  };
}

function asTrafficPeer({ address, pod }: Peer): object {
  if (!pod) return { IP: address };
  const { namespace, labels } = pod;
  const namespaceLabels = { 'kubernetes.io/metadata.name': namespace };
  return {
    IP: address,
    Internal: { PodLabels: labels, NamespaceLabels: namespaceLabels, Namespace: namespace },
  };
}
