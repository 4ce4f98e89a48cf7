/**
 * The driver of a cluster: a builder is a KubeJob of its name with one pod. Nothing is asked about a builder that the two
 * shared watches do not tell, but its log; so the API server's work does not grow with the builds that wait.
 */
import { createHash } from 'node:crypto';
import { failureOf, HandOver, unlessAborted, type Failure, type SourceRef } from '@hephy/core';
import type {
  BuilderResult,
  BuilderSpec,
  Driver,
  LogChunk,
  PreflightInput,
  PreflightResult,
} from '../driver.ts';
import { isSilent, lookForEnd, stuckNow } from './builder-end.ts';
import { isCanceled, isUnknown, stateOf, watchBuilders } from './builder-view.ts';
import type { BuilderViews } from './builder-view.ts';
import type { ContainerFor, ExplainLog } from './container.ts';
import { followPodLog } from './follow-pod-log.ts';
import type { KubeClient } from './kube-client.ts';
import { KubeFailure } from './kube-failure.ts';
import * as kube from './kube-job.ts';
import { KubeJobFacts, newestPod } from './pod-facts.ts';
import { outcomeOf } from './pod-failure.ts';
import * as pods from './pod-spec.ts';
import { refusalOf } from './refusal.ts';
import { placed } from './placement.ts';
import { createListNodes, isForeign, platformsOfNodes, preflightNodes } from './preflight-nodes.ts';
import type { ListNodes } from './preflight-nodes.ts';

export interface KubernetesDriverOptions {
  readonly client: KubeClient;
  readonly containerFor: ContainerFor;
  /** Why the backend cannot build a platform, as a sentence; undefined when it can. */
  readonly platformRefusal: (platform: string) => string | undefined;
  readonly explainLog: ExplainLog;
  /** Whole lines of the builder's log, as a pusher should see them. */
  readonly readableLog: (lines: string) => string;
  readonly job: pods.JobOptions;
  /** Asked for each builder. */
  readonly credentials: () => Promise<
    | { readonly ok: true; readonly credentials: BuilderCredentials }
    | { readonly ok: false; readonly failure: Failure }
  >;
  /** Answers a URL from which a pod fetches the source, once, until then. */
  readonly grantSource: (source: SourceRef, until: Date) => Promise<string>;
  readonly onError: (error: unknown) => void;
}

export interface BuilderCredentials {
  /** For the backend, as `docker login` stores it. With `split` isolation, every step of a Dockerfile can read it. */
  readonly dockerConfig?: string;
  /** For what pushes with `split` isolation: `username` and `password`, as JSON. */
  readonly push?: string;
}

type StartAnswer = Awaited<ReturnType<Driver['startOrAdopt']>>;

const parseJob = (value: unknown): KubeJobFacts => KubeJobFacts.parse(value);
const parseAny = (value: unknown): unknown => value;
/** Our own writes come back on the watch within milliseconds; a watch that is away does not hold us up. */
const seenWithinMs = 2_000;
const listedWithinMs = 30_000;

export function createKubernetesDriver(
  options: KubernetesDriverOptions,
): Driver & { close(): Promise<void> } {
  const { client } = options;
  const views = watchBuilders(options);
  const listNodes = createListNodes(client);
  const deps = { views, listNodes, options };
  return {
    preflight: (input) => preflight(input, deps),
    platforms: () => platformsOfNodes({ ...options, listNodes }),
    startOrAdopt: (spec) => handingOver(() => startOrAdopt(spec, deps)),
    followLog: (name, following) => followLog(name, following, deps),
    result: (name, { signal }) => handingOver(() => resultOf(name, signal, deps)),
    cancel: (name) => handingOver(() => cancel(name, deps)),

    async cleanUp(name) {
      await client.delete(client.path('jobs', name));
      await untilSeen(views, name, false);
    },

    async list() {
      await untilListed(deps);
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
  readonly listNodes: ListNodes;
  readonly options: KubernetesDriverOptions;
}

async function preflight(
  input: PreflightInput,
  { listNodes, options }: Deps,
): Promise<PreflightResult> {
  for (const platform of input.platforms) {
    const detail = options.platformRefusal(platform);
    if (detail) {
      return { ok: false, failure: failureOf('PlatformUnsupported', { platform, detail }) };
    }
  }
  return preflightNodes(input, { ...options, listNodes });
}

async function startOrAdopt(spec: BuilderSpec, deps: Deps): Promise<StartAnswer> {
  const { views, listNodes, options } = deps;
  const { client } = options;
  await untilListed(deps);
  const { job: known } = views.of(spec.name);
  if (known) return adopt(known, spec, deps);
  const credentials = await options.credentials();
  if (!credentials.ok) return credentials;
  const values = credentialValues(credentials);
  const input = { spec, hash: hashOf(spec), secretKeys: Object.keys(values) };
  const foreign = await isForeign(spec, { ...options, listNodes });
  const container = containerOf(spec, foreign, options);
  const native = kube.kubeJob({ ...input, container }, options.job);
  const job = placed(native, { ...spec, isForeign: foreign });
  try {
    const made = await client.create(client.path('jobs'), job, { parse: parseJob });
    if (made.created) {
      await handSecret({ spec, job: made.object, values }, options);
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
  const source = stateOf(view, pods.sourceContainer) ?? 'waiting';
  if (source === 'waiting') {
    const credentials = await options.credentials();
    if (!credentials.ok) return credentials;
    await handSecret({ spec, job, values: credentialValues(credentials) }, options).catch(
      (error: unknown) => {
        if (!isRefusal(error)) throw error;
        // A quota refuses one that is there already, too. Without it the pod tells what it waits for.
        options.onError(error);
      },
    );
  }
  return { ok: true, adopted: true };
}

function containerOf(
  spec: BuilderSpec,
  foreignNode: boolean,
  { containerFor, job }: KubernetesDriverOptions,
) {
  const { contextDirectory, digestFile, layoutDirectory } = pods;
  return containerFor({
    ...spec,
    foreignNode,
    contextDirectory,
    digestFile,
    ...(job.isolation === 'split' && { layoutDirectory }),
  });
}

function credentialValues({
  credentials: { dockerConfig, push },
}: {
  credentials: BuilderCredentials;
}): Record<string, string> {
  return {
    ...(dockerConfig !== undefined && { [pods.dockerConfigKey]: dockerConfig }),
    ...(push !== undefined && { [pods.pushCredentialsKey]: push }),
  };
}

/** One that is there already holds a grant that is as good. */
async function handSecret(
  { spec, job, values }: { spec: BuilderSpec; job: KubeJobFacts; values: Record<string, string> },
  { client, grantSource }: KubernetesDriverOptions,
): Promise<void> {
  const until = new Date(client.timing.now().getTime() + kube.startWithinSeconds * 1000);
  const sourceUrl = await grantSource(spec.source, until);
  const secret = kube.builderSecret({
    spec,
    uid: job.metadata.uid,
    values: { ...values, [pods.sourceUrlKey]: sourceUrl },
  });
  await client.create(client.path('secrets'), secret, { parse: parseAny });
}

/** What the API server says no to for good is the failure of the attempt; anything else may have been done all the same. */
function refusedStart(error: unknown, { platform }: BuilderSpec): StartAnswer {
  if (!(error instanceof KubeFailure) || error.temporary) throw error;
  const failure = isRefusal(error)
    ? refusalOf(error.message)
    : failureOf('ClusterUnavailable', { detail: error.message });
  return { ok: false, failure: { platform, ...failure } };
}

/** Of the object; anything else is about who asks, or the way there. */
function isRefusal(error: unknown): boolean {
  return error instanceof KubeFailure && [400, 403, 404, 422].includes(error.status ?? 0);
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
  await unlessAborted(views.ready, following.signal);
  const started = await handingOver(() => untilStarted(name, following.signal, { views, options }));
  if (!started) return;
  const chunks = followPodLog({
    client,
    podName: started.pod.metadata.name,
    container: pods.buildContainer,
    baseTime: started.job.metadata.creationTimestamp ?? '',
    ...following,
    state: () =>
      stuckNow(views.of(name), options)?.waitMs === 0
        ? 'gone'
        : (stateOf(views.of(name), pods.buildContainer) ?? 'gone'),
    changed: (ending) => changedOrStuck(name, ending, { views, options }),
  });
  for await (const chunk of chunks) yield { ...chunk, text: options.readableLog(chunk.text) };
}

/** Patience with a node that says nothing ends without a change that a watch would tell. */
async function changedOrStuck(
  name: string,
  signal: AbortSignal,
  { views, options }: Pick<Deps, 'views' | 'options'>,
): Promise<void> {
  const stuck = stuckNow(views.of(name), options);
  if (!stuck) return views.changed(name, signal);
  const over = new AbortController();
  const either = AbortSignal.any([signal, over.signal]);
  const patience = options.client.timing.wait(stuck.waitMs, either);
  await Promise.race([views.changed(name, either), patience]).finally(() => over.abort());
}

/** Undefined: it will have no log. */
function untilStarted(
  name: string,
  signal: AbortSignal,
  { views, options }: Pick<Deps, 'views' | 'options'>,
) {
  return views.watch(
    name,
    async (view) => {
      if (isUnknown(view) && !(await isThere(name, signal, options))) return { found: undefined };
      const state = stateOf(view, pods.buildContainer) ?? 'waiting';
      const pod = newestPod(view);
      if (state !== 'waiting' && pod && view.job) return { found: { pod, job: view.job } };
      return isSilent(view, options) ? { found: undefined } : { againMs: 1_000 };
    },
    signal,
  );
}

async function resultOf(
  name: string,
  signal: AbortSignal,
  { views, options }: Deps,
): Promise<BuilderResult> {
  await unlessAborted(views.ready, signal);
  const look = lookForEnd(name, options);
  let platform: string | undefined;
  const result = await views.watch(
    name,
    async (view) => {
      if (isUnknown(view) && !(await isThere(name, signal, options))) {
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
async function isThere(
  name: string,
  signal: AbortSignal,
  { client }: KubernetesDriverOptions,
): Promise<boolean> {
  return (await client.get(client.path('jobs', name), parseAny, signal)) !== undefined;
}

async function cancel(name: string, deps: Deps): Promise<void> {
  const { views, options } = deps;
  const { client, explainLog: explain } = options;
  await untilListed(deps);
  const view = views.of(name);
  if (isCanceled(view)) return;
  if (!isUnknown(view) && outcomeOf({ ...view, explain, logTail: '' }).ended) return;
  const path = client.path('jobs', name);
  const suspend = (): Promise<unknown> =>
    client.mergePatch(path, kube.cancelPatch, { parse: parseAny });
  if ((await suspend()) !== undefined) return;
  try {
    const made = await client.create(client.path('jobs'), kube.canceledJob(name), {
      parse: parseAny,
    });
    if (!made.created) await suspend();
  } catch (error) {
    // A namespace that takes no KubeJob of ours has none to cancel.
    if (!(error instanceof KubeFailure) || error.temporary) throw error;
  }
}

/** Only what begins while the API server is away waits here; then whoever comes next waits on. */
function untilListed({ views, options }: Deps): Promise<void> {
  const listed = new AbortController();
  const late = options.client.timing.wait(listedWithinMs, listed.signal).then(() => {
    throw new HandOver('the cluster has not answered since this process began');
  });
  return Promise.race([views.ready, late]).finally(() => listed.abort());
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
