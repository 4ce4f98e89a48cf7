import { isIP } from 'node:net';
import { buildahDialect, kanikoDialect } from '@hephy/backends';
import { machinePlatformOf } from '@hephy/drivers';
import { createRegistryClient, type Reach, type RegistryClient } from '@hephy/registry';
import { createUrlGuard } from '@hephy/release';
import type { SourceStore } from '@hephy/source';
import {
  createAskRegistries,
  createBaseImageCheck,
  createPushRightCheck,
  type PreflightCheck,
} from '@hephy/worker';
import { parseDockerConfig, pullUser, registryHost, type DockerConfig } from './builder-auth.ts';
import type { Connections } from './connect.ts';
import { builderUser } from './registry-user.ts';

/** What is the same wherever builders run: what they push to, and what they begin with. */
export function preflightChecks(
  connections: Pick<Connections, 'settings' | 'places' | 'environment' | 'now'>,
  sources: Pick<SourceStore, 'open'>,
): PreflightCheck[] {
  const { settings, places } = connections;
  const mirrors = settings.baseMirrors.map((mirror) => ({ ...mirror, insecure: false }));
  const own = registryHost(places.registry);
  const pull = pullConfig(connections);
  const reach = reachOf([...mirrors.map(({ to }) => registryHost(to)), ...Object.keys(pull.auths)]);
  // A second try would come too late.
  const limits = { attempts: 1 };
  const credentials = builderUser(connections);
  // The embedded registry has no accounts; whom a service account stands for, only its pods can tell.
  const { registry, kubernetes } = settings;
  const isUserKnown = registry !== null && (credentials ?? !kubernetes.builderServiceAccount);
  const connectToOwn = (): RegistryClient =>
    createRegistryClient({
      registry: own,
      limits,
      ...(credentials && { credentials }),
      ...(places.plainHttp !== undefined && { plainHttp: places.plainHttp }),
    });
  const connect = (registry: string): RegistryClient => {
    if (registry === own) return connectToOwn();
    const user = pullUser(pull, registry);
    const credentials = user && (() => Promise.resolve(user));
    return createRegistryClient({ registry, limits, reach, ...(credentials && { credentials }) });
  };
  const dialect =
    settings.driver === 'local' ? buildahDialect(machinePlatformOf(process.arch)) : kanikoDialect;
  return [
    ...(isUserKnown ? [createPushRightCheck(connectToOwn)] : []),
    createBaseImageCheck({ sources, dialect, ask: createAskRegistries({ mirrors, connect }) }),
  ];
}

/** What builders read base images with; on this machine they have what its user has. */
function pullConfig({
  settings: { driver, kubernetes },
}: Pick<Connections, 'settings'>): DockerConfig {
  const text = driver === 'kubernetes' ? kubernetes.builderPullConfig?.reveal() : undefined;
  return parseDockerConfig(text ?? '{}');
}

/** A Dockerfile names whom we call: that is no way to what only we can reach. */
function reachOf(registries: readonly string[]): Reach {
  const allowPrivate = registries.flatMap((host) => URL.parse(`https://${host}`)?.hostname ?? []);
  const guard = createUrlGuard({ allowPrivate: allowPrivate.map(withoutBrackets) });
  return async (host) => {
    const verdict = await guard(`https://${isIP(host) === 6 ? `[${host}]` : host}`);
    if (verdict.ok) return verdict.target.addresses;
    if (verdict.temporary) throw new Error(verdict.why);
    throw new Error(`${host} is not public, and no registry of this service`);
  };
}

function withoutBrackets(host: string): string {
  return host.replaceAll(/^\[|\]$/g, '');
}
