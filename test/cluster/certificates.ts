/** The cluster's own certificate authority and what it signs. Made once for each cluster number and kept, since a
 *  frozen node holds its certificate. Everything here trusts it for the addresses of a test cluster alone. */
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheEntry } from './cache-entry.ts';
import { nodeNames } from './layout.ts';
import type { Layout } from './layout.ts';
import { run } from './run.ts';

interface Certificate {
  readonly name: string;
  readonly subject: string;
  readonly alternativeNames: string;
}

export type KubeconfigUser =
  | 'admin'
  | 'kube-controller-manager'
  | 'kube-proxy'
  | 'kube-scheduler'
  | 'node-amd64'
  | 'node-arm64';

/** Answers the folder with `NAME.crt` and `NAME.key` of each, `ca.crt`, and `service-accounts.key`. */
export async function makeCertificates(layout: Layout): Promise<string> {
  const certificates = certificatesOf(layout);
  const key = createHash('sha256').update(JSON.stringify(certificates)).digest('hex').slice(0, 16);
  return cacheEntry({ kind: `certificates-${layout.number}`, key }, async (folder) => {
    await writeFile(join(folder, 'request.cnf'), '[req]\ndistinguished_name = name\n[name]\n');
    await sign(folder, { name: 'ca', subject: '/CN=test-cluster' }, [
      ...extension('basicConstraints=critical,CA:TRUE'),
      ...extension('keyUsage=critical,keyCertSign,digitalSignature'),
    ]);
    await Promise.all(
      certificates.map((certificate) =>
        sign(folder, certificate, [
          '-CA',
          'ca.crt',
          '-CAkey',
          'ca.key',
          ...extension('extendedKeyUsage=serverAuth,clientAuth'),
          ...extension(`subjectAltName=${certificate.alternativeNames}`),
        ]),
      ),
    );
    const serviceAccounts = ['-pkeyopt', 'rsa_keygen_bits:2048', '-out', 'service-accounts.key'];
    await run(['openssl', 'genpkey', '-algorithm', 'RSA', ...serviceAccounts], { cwd: folder });
  });
}

/** Writes a kubeconfig that holds all it needs, for the machine or for another one. */
export async function writeKubeconfig(
  file: string,
  user: KubeconfigUser,
  { layout, certificates }: { layout: Layout; certificates: string },
): Promise<void> {
  const read = async (name: string) =>
    (await readFile(join(certificates, name))).toString('base64');
  const cluster = { server: layout.apiServer, 'certificate-authority-data': await read('ca.crt') };
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'test', cluster }],
    users: [
      {
        name: user,
        user: {
          'client-certificate-data': await read(`${user}.crt`),
          'client-key-data': await read(`${user}.key`),
        },
      },
    ],
    contexts: [{ name: 'test', context: { cluster: 'test', user } }],
    'current-context': 'test',
  };
  await writeFile(file, JSON.stringify(config), { mode: 0o600 });
}

function certificatesOf(layout: Layout): Certificate[] {
  const server = [
    `IP:${layout.hostAddress}`,
    'IP:127.0.0.1',
    'IP:10.96.0.1',
    'DNS:localhost',
    'DNS:kubernetes.default.svc',
    'DNS:kubernetes.default.svc.cluster.local',
  ];
  return [
    { name: 'kube-apiserver', subject: '/CN=kube-apiserver', alternativeNames: server.join() },
    client('admin', '/O=system:masters/CN=admin'),
    client('kube-controller-manager', '/CN=system:kube-controller-manager'),
    client('kube-proxy', '/CN=system:kube-proxy'),
    client('kube-scheduler', '/CN=system:kube-scheduler'),
    node(nodeNames.amd64, layout.hostAddress),
    node(nodeNames.arm64, layout.arm64Address),
  ];
}

function client(name: KubeconfigUser, subject: string): Certificate {
  return { name, subject, alternativeNames: `DNS:${name}` };
}

function node(name: KubeconfigUser, address: string): Certificate {
  const subject = `/O=system:nodes/CN=system:node:${name}`;
  return { name, subject, alternativeNames: `IP:${address}` };
}

async function sign(
  folder: string,
  { name, subject }: Pick<Certificate, 'name' | 'subject'>,
  how: readonly string[],
): Promise<void> {
  const key = [
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-keyout',
    `${name}.key`,
  ];
  const certificate = [
    '-config',
    'request.cnf',
    '-days',
    '3650',
    '-subj',
    subject,
    '-out',
    `${name}.crt`,
  ];
  await run(['openssl', 'req', '-x509', ...key, ...certificate, ...how], { cwd: folder });
}

function extension(value: string): string[] {
  return ['-addext', value];
}
