/**
 * The driver of a cluster: a builder is a KubeJob of its name with one pod. Nothing is asked about a builder that the two
 * shared watches do not tell, but its log; so the API server's work does not grow with the builds that wait.
 */
import { createHash } from 'node:crypto';
import { failureOf, HandOver, type SourceRef } from '@hephy/core';
import type { BuilderResult, BuilderSpec, Driver, LogChunk, PreflightInput } from '../driver.ts';
import { isSilent, lookForEnd } from './builder-end.ts';
import { isCanceled, isUnknown, stateOf, watchBuilders } from './builder-view.ts';
import type { BuilderViews } from './builder-view.ts';
import type { ContainerFor, ExplainLog } from './container.ts';
import { followPodLog } from './follow-pod-log.ts';
import type { KubeClient } from './kube-client.ts';
import { KubeFailure } from './kube-failure.ts';
import * as kube from './kube-job.ts';
import { KubeJobFacts, newestPod } from './pod-facts.ts';
import { outcomeOf } from './pod-failure.ts';
import { refusalOf } from './pod-stuck.ts';
import { checkNodes, Node } from './preflight.ts';

export interface KubernetesDriverOptions {
  readonly client: KubeClient;
  readonly containerFor: ContainerFor;
  /** Why the backend cannot build a platform, as a sentence; undefined when it can. */
  readonly platformRefusal: (platform: string) => string | undefined;
  readonly explainLog: ExplainLog;
  /** Whole lines of the builder's log, as a pusher should see them. */
  readonly readableLog: (lines: string) => string;
  readonly job: Omit<kube.JobOptions, 'hasCredentials'>;
  /** What the builder pushes with, as `docker login` stores it; undefined: the registry asks for nothing. */
  readonly credentials: string | undefined;
  /** Answers a URL from which a pod fetches the source, once, until then. */
  readonly grantSource: (source: SourceRef, until: Date) => Promise<string>;
  readonly onError: (error: unknown) => void;
}

type StartAnswer = Awaited<ReturnType<Driver['startOrAdopt']>>;

const parseJob = (value: unknown): KubeJobFacts => KubeJobFacts.parse(value);
const parseAny = (value: unknown): unknown => value;
/** Our own writes come back on the watch within milliseconds; a watch that is away does not hold us up. */
const seenWithinMs = 2_000;

export function createKubernetesDriver(
  options: KubernetesDriverOptions,
): Driver & { close(): Promise<void> } {
  const { client } = options;
  const views = watchBuilders(options);
  return {
    preflight: (input) => preflight(input, options),
    startOrAdopt: (spec) => handingOver(() => startOrAdopt(spec, { views, options })),
    followLog: (name, following) => followLog(name, following, { views, options }),
    result: (name, { signal }) => resultOf(name, signal, { views, options }),
    cancel: (name) => cancel(name, { views, options }),

    async cleanUp(name) {
      await client.delete(client.path('jobs', name));
      await untilSeen(views, name, false);
    },

    async list() {
      await views.ready;
      return views.names();
    },

    async close() {
      views.close();
      await client.close();
    },
  };
}

interface Deps {
  readonly views: BuilderViews;
  readonly options: KubernetesDriverOptions;
}

async function preflight(
  input: PreflightInput,
  { client, job, platformRefusal }: KubernetesDriverOptions,
): Promise<Awaited<ReturnType<Driver['preflight']>>> {
  for (const platform of input.platforms) {
    const detail = platformRefusal(platform);
    if (detail) return { ok: false, failure: failureOf('PlatformNotNative', { platform, detail }) };
  }
  try {
    const { items } = await client.list(client.path('nodes'), (value) => Node.parse(value));
    return checkNodes(items, { ...input, tolerations: job.tolerations });
  } catch (error) {
    if (!(error instanceof KubeFailure)) throw error;
    return {
      ok: false,
      failure: failureOf('ClusterUnavailable', { detail: error.message }),
    };
  }
}

async function startOrAdopt(spec: BuilderSpec, deps: Deps): Promise<StartAnswer> {
  const { views, options } = deps;
  const { client } = options;
  await views.ready;
  const { job: known } = views.of(spec.name);
  if (known) return adopt(known, spec, deps);
  const job = kube.kubeJob(
    {
      spec,
      hash: hashOf(spec),
      container: options.containerFor({
        ...spec,
        contextDirectory: kube.contextDirectory,
        digestFile: kube.digestFile,
      }),
    },
    { ...options.job, hasCredentials: options.credentials !== undefined },
  );
  try {
    const made = await client.create(client.path('jobs'), job, { parse: parseJob });
    if (made.created) {
      await handSecret(spec, made.object, options);
      await untilSeen(views, spec.name, true);
      return { ok: true, adopted: false };
    }
  } catch (error) {
    return refusedStart(error, spec);
  }
  const found = await client.get(client.path('jobs', spec.name), parseJob);
  if (!found) throw new HandOver(`${spec.name} was there, and is gone`);
  return adopt(found, spec, deps);
}

async function adopt(
  job: KubeJobFacts,
  spec: BuilderSpec,
  { views, options }: Deps,
): Promise<StartAnswer> {
  const view = { ...views.of(spec.name), job };
  if (isCanceled(view)) return { ok: true, adopted: true };
  const { platform } = spec;
  if (job.metadata.annotations?.[kube.specHashAnnotation] !== hashOf(spec)) {
    return { ok: false, failure: failureOf('BuilderConflict', { platform }) };
  }
  // Whoever made it may have been killed before it made the Secret, without which the pod waits.
  const source = stateOf(view, kube.sourceContainer) ?? 'waiting';
  if (source === 'waiting') await handSecret(spec, job, options);
  return { ok: true, adopted: true };
}

/** One that is there already holds a grant that is as good. */
async function handSecret(
  spec: BuilderSpec,
  { metadata: { uid } }: KubeJobFacts,
  { client, credentials, grantSource }: KubernetesDriverOptions,
): Promise<void> {
  const until = new Date(client.timing.now().getTime() + kube.startWithinSeconds * 1000);
  const values = {
    [kube.sourceUrlKey]: await grantSource(spec.source, until),
    ...(credentials !== undefined && { [kube.credentialsKey]: credentials }),
  };
  const secret = kube.builderSecret({ spec, uid, values });
  await client.create(client.path('secrets'), secret, { parse: parseAny });
}

/** What the API server says no to for good is the failure of the attempt; anything else may have been done all the same. */
function refusedStart(error: unknown, { platform }: BuilderSpec): StartAnswer {
  if (!(error instanceof KubeFailure) || error.temporary) throw error;
  return { ok: false, failure: { platform, ...refusalOf(error.message) } };
}

/** A cluster that does not answer now may have done what it was asked: the attempt goes on, with whoever comes next. */
async function handingOver<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof KubeFailure) throw new HandOver(cause.message, { cause });
    throw cause;
  }
}

async function* followLog(
  name: string,
  following: { fromOffset: number; signal: AbortSignal },
  { views, options }: Deps,
): AsyncGenerator<LogChunk> {
  const { client } = options;
  const { signal } = following;
  await views.ready;
  const started = await views.watch(
    name,
    async (view) => {
      if (isUnknown(view) && !(await isThere(name, options))) return { found: undefined };
      const state = stateOf(view, kube.buildContainer) ?? 'waiting';
      const pod = newestPod(view);
      if (state !== 'waiting' && pod && view.job) return { found: { pod, job: view.job } };
      return isSilent(view, options) ? { found: undefined } : { againMs: 1_000 };
    },
    signal,
  );
  if (!started) return;
  const chunks = followPodLog({
    client,
    podName: started.pod.metadata.name,
    container: kube.buildContainer,
    baseTime: started.job.metadata.creationTimestamp ?? '',
    ...following,
    state: () => stateOf(views.of(name), kube.buildContainer) ?? 'gone',
    changed: (ending) => views.changed(name, ending),
  });
  for await (const chunk of chunks) yield { ...chunk, text: options.readableLog(chunk.text) };
}

async function resultOf(
  name: string,
  signal: AbortSignal,
  { views, options }: Deps,
): Promise<BuilderResult> {
  await views.ready;
  const look = lookForEnd(name, options);
  let platform: string | undefined;
  const result = await views.watch(
    name,
    async (view) => {
      if (isUnknown(view) && !(await isThere(name, options))) {
        return { found: { ok: false, failure: failureOf('BuilderLost') } as const };
      }
      platform ??= view.job?.metadata.annotations?.[kube.platformAnnotation];
      return look(view, signal);
    },
    signal,
  );
  if (result.ok || platform === undefined) return result;
  return { ok: false, failure: { platform, ...result.failure } };
}

/** The watch may be behind. */
async function isThere(name: string, { client }: KubernetesDriverOptions): Promise<boolean> {
  return (await client.get(client.path('jobs', name), parseAny)) !== undefined;
}

async function cancel(name: string, { views, options }: Deps): Promise<void> {
  const { client, explainLog: explain } = options;
  await views.ready;
  const view = views.of(name);
  if (isCanceled(view)) return;
  if (!isUnknown(view) && outcomeOf({ ...view, explain, logTail: '' }).ended) return;
  const path = client.path('jobs', name);
  const suspend = (): Promise<unknown> =>
    client.mergePatch(path, kube.cancelPatch, { parse: parseAny });
  if ((await suspend()) !== undefined) return;
  const made = await client.create(client.path('jobs'), kube.canceledJob(name), {
    parse: parseAny,
  });
  if (!made.created) await suspend();
}

/** Waits until the watch shows what we wrote: then nobody has to ask the API server about it. */
async function untilSeen(views: BuilderViews, name: string, isThere: boolean): Promise<void> {
  const seen = views.watch(
    name,
    async ({ job }) =>
      (job !== undefined) === isThere ? { found: undefined } : { againMs: seenWithinMs },
    AbortSignal.timeout(seenWithinMs),
  );
  await seen.catch(() => undefined);
}

/** Of what the record asks for, so that another setting of the operator's does not make it another builder. */
function hashOf(spec: BuilderSpec): string {
  return createHash('sha256')
    .update(JSON.stringify(sorted(spec)))
    .digest('hex');
}

function sorted(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return entries.map(([key, item]) => [key, sorted(item)]);
}
