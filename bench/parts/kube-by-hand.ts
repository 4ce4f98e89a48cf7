/** A builder's KubeJob made once more, by hand: the same pod on the same files, and no service that looks after it. */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { SourceRef } from '@hephy/core';
import { createDirectorySourceStore, createSourceListener, sourceUrl } from '@hephy/source';
import { z } from 'zod';
import type { ApiAnswer } from '../../test/cluster/api-client.ts';
import type { Cluster } from '../../test/cluster/start-cluster.ts';
import type { KubeJob, KubeWatch } from './kube-watch.ts';

export interface ByHand {
  /** How long it takes from the request that makes it, until kaniko has ended in its pod, and until it is complete. */
  run(kubeJob: KubeJob): Promise<{ builtMs: number; completeMs: number }>;
  close(): Promise<void>;
}

export async function prepareByHand(place: {
  readonly cluster: Cluster;
  readonly namespace: string;
  readonly kube: KubeWatch;
  /** Where the service keeps its sources. */
  readonly sources: string;
}): Promise<ByHand> {
  const { cluster, namespace, kube } = place;
  const server = await serveSources(cluster, place.sources);
  const secrets = `/api/v1/namespaces/${namespace}/secrets`;
  const kubeJobs = `/apis/batch/v1/namespaces/${namespace}/jobs`;
  return {
    async run(kubeJob) {
      const name = `by-hand-${randomUUID().slice(0, 8)}`;
      const url = server.urlOf(sourceOf(kubeJob));
      const secret = { metadata: { name }, stringData: { 'source-url': url } };
      expectStatus(201, await cluster.api.send('POST', secrets, secret));
      const ended = Promise.all([kube.built(name), kube.complete(name)]);
      const since = Date.now();
      expectStatus(201, await cluster.api.send('POST', kubeJobs, copyOf(kubeJob, name, cluster)));
      const [builtAt, completeAt] = await ended;
      const withItsPod = `${kubeJobs}/${name}?propagationPolicy=Background`;
      expectStatus(200, await cluster.api.send('DELETE', withItsPod));
      return { builtMs: builtAt - since, completeMs: completeAt - since };
    },
    close: () => server.close(),
  };
}

/** Without the labels by which a worker would take it for its own, and to a place of its own in the registry. */
function copyOf({ metadata, spec }: KubeJob, name: string, { registry }: Cluster): object {
  const pod = JSON.stringify(spec.template.spec)
    .replaceAll(metadata.name, name)
    .replace(/--destination=[^"]*/, `--destination=${registry}/by-hand:${name}`);
  const template = { spec: JSON.parse(pod) as object };
  return { metadata: { name }, spec: { ...spec, selector: undefined, template } };
}

const Fetching = z.object({
  initContainers: z.tuple([
    z.object({ env: z.array(z.object({ name: z.string(), value: z.string().optional() })) }),
  ]),
});

function sourceOf({ spec }: KubeJob): SourceRef {
  const [{ env }] = Fetching.parse(spec.template.spec).initContainers;
  const variable = (name: string) => env.find((one) => one.name === name)?.value ?? '';
  return {
    sha256: variable('HEPHY_SOURCE_SHA256'),
    sizeBytes: Number(variable('HEPHY_SOURCE_SIZE_BYTES')),
  };
}

/** As the service does, but for its grants. */
async function serveSources({ registry }: Cluster, directory: string) {
  const granted = new Map<string, SourceRef>();
  const answer = createSourceListener({
    redeem: ({ token }) => Promise.resolve(granted.get(token)),
    sources: createDirectorySourceStore({ directory }),
    onError: (error) => console.error('bench: the source:', error),
  });
  const server = createServer((request, response) => {
    if (!answer(request, response)) response.writeHead(404).end();
  });
  const host = registry.split(':')[0];
  server.listen(0, host);
  await once(server, 'listening');
  const base = `http://${host}:${(server.address() as AddressInfo).port}`;
  return {
    urlOf(source: SourceRef): string {
      const token = randomUUID();
      granted.set(token, source);
      return sourceUrl(base, token);
    },
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

function expectStatus(expected: number, { status, body }: ApiAnswer): void {
  if (status !== expected) throw new Error(`answered ${status}: ${JSON.stringify(body)}`);
}
