import { createWorker } from '@hephy/worker';
import type { Connections } from './connect.ts';
import { openKubernetesDriver } from './open-kubernetes-driver.ts';
import { openLocalDriver } from './open-local-driver.ts';
import { openSources } from './open-sources.ts';
import { preflightChecks } from './preflight-checks.ts';

/** Decides and builds. Needs the stores, the sources, and a machine that can build, or a cluster. */
export async function startWorker(connections: Connections, path: string): Promise<void> {
  const { settings, shutdown, newRedis } = connections;
  const sources = await openSources(connections);
  const driver =
    settings.driver === 'local'
      ? await openLocalDriver(connections, { sources, path })
      : await openKubernetesDriver(connections, sources);
  const worker = createWorker({
    ...connections,
    driver,
    checks: preflightChecks(connections, sources),
    sources,
    listLiveSources: () => connections.queries.listLiveSources(),
    connection: newRedis('worker'),
    platformBuilds: settings.workerConcurrency,
  });
  shutdown.add('worker', () => worker.close());
}
