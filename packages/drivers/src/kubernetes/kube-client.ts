/**
 * Requests to the API server, each with a bound in time. The client library's own requests have none, can't be aborted,
 * and drop fields that they don't know; so it only brings the configuration and the credentials.
 */
import type { KubeConfig } from '@kubernetes/client-node';
import { z } from 'zod';
import { createClusterClock } from './cluster-clock.ts';
import { connectTo } from './kube-connection.ts';
import { failureOfEvent, KubeFailure, notUnderstood, parseJson } from './kube-failure.ts';
import { call, defaultKubeLimits, stream, type KubeLimits, type Requests } from './kube-request.ts';
import type { Timing } from './kube-retry.ts';
import { readLines } from './read-lines.ts';

export interface KubeClientOptions extends Timing {
  readonly kubeConfig: KubeConfig;
  readonly namespace: string;
  readonly limits?: Partial<KubeLimits>;
}

export type KubeResource = 'jobs' | 'pods' | 'secrets' | 'events' | 'nodes';

/** What one item of an answer is to us. What it throws is a failure `NotUnderstood`. */
export type Parse<T> = (value: unknown) => T;

export interface Selection {
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
}

export interface KubeEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK';
  readonly object: unknown;
}

/** Every method throws a `KubeFailure`, or the signal's reason. */
export interface KubeClient {
  readonly timing: Timing;
  /** By the API server's clock, whatever ours says. */
  readonly clusterNow: () => Date;
  /** Of a resource in the client's namespace, or of the cluster's nodes. */
  path(resource: KubeResource, name?: string, subresource?: 'log'): string;
  /** Undefined: there is none. */
  get<T>(path: string, parse: Parse<T>, signal?: AbortSignal): Promise<T | undefined>;
  list<T>(
    path: string,
    parse: Parse<T>,
    options?: Selection & { readonly signal?: AbortSignal },
  ): Promise<{ items: T[]; resourceVersion: string }>;
  /** Not created: there is one of that name, maybe ours, of a try whose answer was lost. */
  create<T>(
    path: string,
    object: object,
    options: { readonly parse: Parse<T>; readonly signal?: AbortSignal },
  ): Promise<{ readonly created: true; readonly object: T } | { readonly created: false }>;
  /** Whether it was there. What it owns is deleted after it. */
  delete(path: string, signal?: AbortSignal): Promise<boolean>;
  /** Undefined: there is none to change. Source: RFC 7396. */
  mergePatch<T>(
    path: string,
    patch: object,
    options: { readonly parse: Parse<T>; readonly signal?: AbortSignal },
  ): Promise<T | undefined>;
  /** What changes after `resourceVersion`, until the server ends the watch. Tried once; 410 is a failure `Expired`. */
  watch(
    path: string,
    options: Selection & { readonly resourceVersion: string; readonly signal: AbortSignal },
  ): AsyncGenerator<KubeEvent>;
  /** The bytes of an answer while they come. Tried once; with `silenceMs`, a longer silence is a failure. */
  stream(
    path: string,
    options: {
      readonly query: Readonly<Record<string, string>>;
      readonly silenceMs?: number;
      readonly signal: AbortSignal;
    },
  ): Promise<AsyncIterable<Buffer>>;
  close(): Promise<void>;
}

export function createKubeClient(options: KubeClientOptions): KubeClient {
  const { namespace, now, random, wait } = options;
  const requests: Requests = {
    connection: connectTo(options.kubeConfig),
    timing: { now, random, wait },
    clock: createClusterClock(now),
    limits: { ...defaultKubeLimits, ...options.limits },
  };
  return {
    timing: requests.timing,
    clusterNow: () => requests.clock.now(),
    path: (resource, name, subresource) =>
      [collectionOf(resource, namespace), name && encodeURIComponent(name), subresource]
        .filter((part) => part !== undefined)
        .join('/'),
    async get(path, parse, signal) {
      const { status, value } = await call({ method: 'GET', path, signal, also: [404] }, requests);
      return status === 404 ? undefined : parseWith(parse, value, `GET ${path}`);
    },
    list: (path, parse, selection = {}) => list({ path, parse, ...selection }, requests),
    async create(path, object, { parse, signal }) {
      const sent = { method: 'POST', path, body: object, signal, also: [409] } as const;
      const { status, value } = await call(sent, requests);
      if (status === 409) return { created: false };
      return { created: true, object: parseWith(parse, value, `POST ${path}`) };
    },
    async delete(path, signal) {
      const query = { propagationPolicy: 'Background' };
      const sent = { method: 'DELETE', path, query, signal, also: [404] } as const;
      const { status } = await call(sent, requests);
      return status !== 404;
    },
    async mergePatch(path, patch, { parse, signal }) {
      const sent = { method: 'PATCH', path, body: patch, signal, also: [404] } as const;
      const { status, value } = await call(sent, requests);
      return status === 404 ? undefined : parseWith(parse, value, `PATCH ${path}`);
    },
    watch: (path, watched) => watch({ path, ...watched }, requests),
    stream: (path, streamed) => stream({ path, ...streamed }, requests),
    close: () => requests.connection.close(),
  };
}

function collectionOf(resource: KubeResource, namespace: string): string {
  if (resource === 'nodes') return '/api/v1/nodes';
  const group = resource === 'jobs' ? '/apis/batch/v1' : '/api/v1';
  return `${group}/namespaces/${encodeURIComponent(namespace)}/${resource}`;
}

function parseWith<T>(parse: Parse<T>, value: unknown, what: string): T {
  try {
    return parse(value);
  } catch (cause) {
    throw notUnderstood(what, cause);
  }
}

const Page = z.object({
  metadata: z.object({ resourceVersion: z.string(), continue: z.string().optional() }),
  items: z.array(z.unknown()).nullish(),
});

type Listing<T> = Selection & { path: string; parse: Parse<T>; signal?: AbortSignal };

/** All pages of one moment. One whose moment was forgotten between two pages begins again. */
async function list<T>(
  { path, parse, labelSelector, fieldSelector, signal }: Listing<T>,
  requests: Requests,
): Promise<{ items: T[]; resourceVersion: string }> {
  const { limits } = requests;
  const what = `GET ${path}`;
  let items: T[] = [];
  let from: string | undefined;
  for (let starts = 1; ;) {
    const limit = String(limits.pageItems);
    const query = { labelSelector, fieldSelector, limit, continue: from };
    try {
      const { value } = await call({ method: 'GET', path, query, signal }, requests);
      const page = parseWith((given) => Page.parse(given), value, what);
      for (const item of page.items ?? []) items.push(parseWith(parse, item, what));
      from = page.metadata.continue;
      if (!from) return { items, resourceVersion: page.metadata.resourceVersion };
    } catch (error) {
      if (!from || !isExpired(error) || starts >= limits.attempts) throw error;
      starts += 1;
      items = [];
      from = undefined;
    }
  }
}

/** Whether the server has forgotten the moment to go on from. */
export function isExpired(error: unknown): boolean {
  return error instanceof KubeFailure && error.status === 410;
}

const WatchLine = z.object({
  type: z.enum(['ADDED', 'MODIFIED', 'DELETED', 'BOOKMARK', 'ERROR']),
  object: z.unknown(),
});

type Watching = Selection & { path: string; resourceVersion: string; signal: AbortSignal };

async function* watch(
  { path, labelSelector, fieldSelector, resourceVersion, signal }: Watching,
  requests: Requests,
): AsyncGenerator<KubeEvent> {
  const { limits } = requests;
  const query = {
    watch: 'true',
    allowWatchBookmarks: 'true',
    timeoutSeconds: String(limits.watchSeconds),
    resourceVersion,
    labelSelector,
    fieldSelector,
  };
  const silenceMs = limits.watchSeconds * 1000 + limits.watchMarginMs;
  const bytes = await stream({ path, query, silenceMs, signal }, requests);
  const what = `watch of ${path}`;
  for await (const line of readLines(bytes, { maxBytes: limits.answerBytes, what })) {
    const event = parseWith((given) => WatchLine.parse(given), parseJson(line), what);
    const { type, object } = event;
    if (type === 'ERROR') throw failureOfEvent(object, what);
    yield { type, object };
  }
}
