import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  explainKanikoLog,
  kanikoContainer,
  kanikoOptionRefusal,
  kanikoRefusal,
  literalWords,
  parseKanikoConfig,
  readableKanikoLog,
  type KanikoConfig,
} from '@hephy/backends';
import { failureOf } from '@hephy/core';
import { createKubernetesDriver, createKubeClient, loadKubeConfig } from '@hephy/drivers';
import type { Driver, Isolation, KubernetesDriverOptions } from '@hephy/drivers';
import { RegistryFailure } from '@hephy/registry';
import { createSourceListener, sourceUrl, type SourceStore } from '@hephy/source';
import { createSourceGrants, type SourceGrants } from '@hephy/store';
import type { Connections } from './connect.ts';
import { UserError } from '../client/contexts.ts';
import {
  builderCredentials,
  builderIsolation,
  parseDockerConfig,
  plainRegistries,
} from './builder-auth.ts';
import { refuseOptions } from './refuse-options.ts';
import { builderUser } from './registry-user.ts';

const sweepGrantsEveryMs = 600_000;

/** Builders as KubeJobs in a cluster, whose pods fetch their sources from this process. */
export async function openKubernetesDriver(
  connections: Connections,
  sources: SourceStore,
): Promise<Driver> {
  const { settings, shutdown, now, wait, onError } = connections;
  const { kubernetes } = settings;
  const isolation = builderIsolation(connections);
  const config = kanikoConfig(connections, isolation);
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
    ...kanikoBackend(config),
    job: jobOptions(connections, isolation),
    credentials: credentialsOf(connections, isolation),
    grantSource: async (source, until) =>
      sourceUrl(sourcesUrl, await grants.grantSource({ source, until })),
    onError,
  });
  shutdown.add('kubernetes', () => driver.close());
  return refuseOptions(driver, (options) => kanikoOptionRefusal(options, config));
}

function credentialsOf(
  connections: Connections,
  isolation: Isolation,
): KubernetesDriverOptions['credentials'] {
  const { builderPullConfig } = connections.settings.kubernetes;
  const pull = builderPullConfig ? parseDockerConfig(builderPullConfig.reveal()) : undefined;
  const askUser = builderUser(connections);
  return async () => {
    try {
      const user = await askUser?.({ renew: false });
      return { ok: true, credentials: builderCredentials(connections, { isolation, user, pull }) };
    } catch (error) {
      if (!(error instanceof RegistryFailure)) throw error;
      const reason = error.temporary ? 'RegistryUnavailable' : 'RegistryUnauthorized';
      return { ok: false, failure: failureOf(reason, { detail: error.message }) };
    }
  };
}

function jobOptions(
  { settings: { kubernetes }, places }: Connections,
  isolation: Isolation,
): KubernetesDriverOptions['job'] {
  return {
    ownImage: kubernetes.image ?? '',
    resources: {
      requests: { cpu: '250m', memory: '256Mi', 'ephemeral-storage': '256Mi' },
      limits: { memory: kubernetes.builderMemory, 'ephemeral-storage': kubernetes.builderDisk },
    },
    tolerations: kubernetes.tolerations,
    imagePullSecrets: kubernetes.imagePullSecrets,
    serviceAccountName: kubernetes.builderServiceAccount ?? undefined,
    isolation,
    plainHttp: places.plainHttp ?? false,
    authorities: kubernetes.certificates ?? undefined,
    credentialsDirectory: '/kaniko/.docker',
  };
}

function kanikoConfig(connections: Connections, isolation: Isolation): KanikoConfig {
  const { kubernetes, baseMirrors } = connections.settings;
  const parsed = parseKanikoConfig({
    image: kubernetes.kanikoImage ?? '',
    version: kubernetes.kanikoVersion,
    mirrors: baseMirrors.map((mirror) => ({ ...mirror, insecure: false })),
    plainRegistries: plainRegistries(connections),
    isolated: isolation === 'split',
    http1: kubernetes.kanikoHttp1,
    ...known({
      lingerSeconds: kubernetes.kanikoLingerSeconds,
      telemetryUrl: kubernetes.kanikoTelemetryUrl,
      cacheRepository: kubernetes.cacheRepository,
      cacheClaim: kubernetes.cacheClaim,
      authorities: kubernetes.certificates,
    }),
  });
  if (!parsed.ok) throw new UserError(parsed.problems.join('; '));
  return parsed.config;
}

/** Without what is not set. */
function known<T extends object>(values: T): { [Key in keyof T]?: NonNullable<T[Key]> } {
  const set = Object.entries(values).filter(([, value]) => value !== null);
  return Object.fromEntries(set) as { [Key in keyof T]?: NonNullable<T[Key]> };
}

function kanikoBackend(
  config: KanikoConfig,
): Pick<
  KubernetesDriverOptions,
  'containerFor' | 'platformRefusal' | 'explainLog' | 'readableLog'
> {
  return {
    containerFor: (input) => literalWords(kanikoContainer(input, config)),
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
