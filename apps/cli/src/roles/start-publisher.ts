import { createPublisher, createReleaseRegistry, type ReleaseRegistry } from '@hephy/publisher';
import { createRegistryClient, type RegistryLimits } from '@hephy/registry';
import { createUrlGuard, createWebhookHook } from '@hephy/release';
import type { Connections } from './connect.ts';
import { publisherUser } from './registry-user.ts';

/** Publishes and delivers: the one role that is given registry credentials for releases, and reads hook secrets. */
export function startPublisher(connections: Connections): void {
  const { settings, places, shutdown, newRedis, now, apps } = connections;
  const credentials = publisherUser(connections);
  const connect = (limits: Partial<RegistryLimits> = {}): ReleaseRegistry => {
    const client = createRegistryClient({
      registry: places.registry.split('/', 1)[0] ?? places.registry,
      limits,
      ...(places.plainHttp !== undefined && { plainHttp: places.plainHttp }),
      ...(credentials && { credentials }),
    });
    shutdown.add('registry', () => client.close());
    return createReleaseRegistry(client, now);
  };
  const guard = createUrlGuard({ allowPrivate: settings.hookAllow });
  const publisher = createPublisher({
    ...connections,
    registry: connect(),
    trial: connect({ attempts: 1 }),
    hook: createWebhookHook({ guard, now }),
    readHook: (appId) => apps.readHook(appId),
    connection: newRedis('worker'),
    concurrency: settings.publisherConcurrency,
  });
  shutdown.add('publisher', () => publisher.close());
}
