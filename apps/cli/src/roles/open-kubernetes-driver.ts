import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  explainKanikoLog,
  kanikoContainer,
  kanikoRefusal,
  parseKanikoConfig,
  readableKanikoLog,
} from '@hephy/backends';
import { createKubernetesDriver, createKubeClient, loadKubeConfig } from '@hephy/drivers';
import type { Driver, KubernetesDriverOptions } from '@hephy/drivers';
import { createSourceListener, sourceUrl, type SourceStore } from '@hephy/source';
import { createSourceGrants, type SourceGrants } from '@hephy/store';
import type { Connections } from './connect.ts';
import { UserError } from '../client/contexts.ts';
import { plainRegistries, builderAuth } from './builder-auth.ts';

const sweepGrantsEveryMs = 600_000;

/** Builders as KubeJobs in a cluster, whose pods fetch their sources from this process. */
export async function openKubernetesDriver(
  connections: Connections,
  sources: SourceStore,
): Promise<Driver> {
  const { settings, shutdown, now, wait, onError } = connections;
  const { kubernetes } = settings;
  const grants = createSourceGrants(connections.database.db, randomBytes);
  const sourcesUrl = await serveSources(connections, { sources, grants });
  shutdown.add(
    'source grants',
    connections.repeat(sweepGrantsEveryMs, () => grants.sweepGrants(now())),
  );
  const client = createKubeClient({
    kubeConfig: await loadKubeConfig(kubernetes.kubeconfig ?? undefined),
    namespace: kubernetes.namespace,
    now,
    random: Math.random,
    wait,
  });
  const driver = createKubernetesDriver({
    client,
    ...kanikoBackend(connections),
    job: {
      sourceImage: kubernetes.image ?? '',
      resources: {
        requests: { cpu: '250m', memory: '256Mi' },
        limits: { memory: kubernetes.builderMemory },
      },
      tolerations: kubernetes.tolerations,
      imagePullSecrets: [],
      serviceAccountName: undefined,
      credentialsDirectory: '/kaniko/.docker',
    },
    credentials: builderAuth(connections),
    grantSource: async (source, until) =>
      sourceUrl(sourcesUrl, await grants.grantSource({ source, until })),
    onError,
  });
  shutdown.add('kubernetes', () => driver.close());
  return driver;
}

function kanikoBackend(
  connections: Connections,
): Pick<
  KubernetesDriverOptions,
  'containerFor' | 'platformRefusal' | 'explainLog' | 'readableLog'
> {
  const { kubernetes, baseMirrors } = connections.settings;
  const parsed = parseKanikoConfig({
    image: kubernetes.kanikoImage ?? '',
    version: kubernetes.kanikoVersion,
    mirrors: baseMirrors.map((mirror) => ({ ...mirror, insecure: false })),
    plainRegistries: plainRegistries(connections),
  });
  if (!parsed.ok) throw new UserError(parsed.problems.join('; '));
  const { config } = parsed;
  return {
    containerFor: (input) => kanikoContainer(input, config),
    platformRefusal: (platform) => kanikoRefusal(platform, config),
    explainLog: explainKanikoLog,
    readableLog: readableKanikoLog,
  };
}

/** Answers the address under which pods find it. */
async function serveSources(
  { settings, shutdown, now, onError }: Connections,
  { sources, grants }: { sources: SourceStore; grants: SourceGrants },
): Promise<string> {
  const redeem = (grant: { token: string; fetcher: string }) =>
    grants.redeemGrant({ ...grant, at: now() });
  const answer = createSourceListener({ redeem, sources, onError });
  const server = createServer((request, response) => {
    if (!answer(request, response)) response.writeHead(404).end();
  });
  const { host, port } = settings.listen.sources;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  shutdown.add('sources', () => {
    server.closeAllConnections();
    return new Promise<void>((resolve) => server.close(() => resolve()));
  });
  const address = server.address() as AddressInfo;
  return settings.publicUrls.sources ?? `http://${host}:${address.port}`;
}
