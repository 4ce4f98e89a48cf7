/** What the cluster shows of one builder: its KubeJob and pods, as the shared watches keep them. */
import { Failure } from '@hephy/core';
import type { KubeClient } from './kube-client.ts';
import { parseJson } from './kube-failure.ts';
import { canceledAnnotation, failureAnnotation, managedBy } from './kube-job.ts';
import { containersOf, KubeJobFacts, newestPod, PodFacts } from './pod-facts.ts';
import { watchObjects } from './watch-objects.ts';

export interface BuilderView {
  readonly job: KubeJobFacts | undefined;
  readonly pods: readonly PodFacts[];
  /** The last of its pods that was deleted, as it was then: why, and how it had ended, is told nowhere else. */
  readonly gonePod?: PodFacts | undefined;
}

export interface BuilderViews {
  readonly ready: Promise<void>;
  of(name: string): BuilderView;
  names(): string[];
  /**
   * Looks at the builder, now and after each of its changes, until `look` answers `found`; until then `look` says how
   * long it may take to look again although nothing has changed. Rejects with the signal's reason.
   */
  watch<T>(
    name: string,
    look: (view: BuilderView) => Promise<{ readonly found: T } | { readonly againMs: number }>,
    signal: AbortSignal,
  ): Promise<T>;
  /** Resolves at the next change of the builder; rejects with the signal's reason. */
  changed(name: string, signal: AbortSignal): Promise<void>;
  close(): void;
}

interface Watched {
  readonly client: KubeClient;
  readonly onError: (error: unknown) => void;
}

export function watchBuilders(watched: Watched): BuilderViews {
  const { jobs, pods, of } = watchBoth(watched);
  const ready = Promise.all([jobs.ready, pods.ready]).then(() => undefined);
  // Whoever asks hears of it; nobody has to.
  ready.catch(() => undefined);

  const changed = (name: string, signal: AbortSignal): Promise<void> => {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const subscriptions = [jobs, pods].map((objects) => objects.subscribe(name, resolve));
    const onAbort = (): void => reject(signal.reason);
    signal.addEventListener('abort', onAbort);
    if (signal.aborted) onAbort();
    return promise.finally(() => {
      signal.removeEventListener('abort', onAbort);
      for (const unsubscribe of subscriptions) unsubscribe();
    });
  };

  return {
    ready,
    of,
    names: () => jobs.all().map(({ metadata }) => metadata.name),
    changed,
    async watch(name, look, signal) {
      for (;;) {
        signal.throwIfAborted();
        const looked = new AbortController();
        const either = AbortSignal.any([signal, looked.signal]);
        const change = changed(name, either).catch(() => undefined);
        try {
          const seen = await look(of(name));
          if ('found' in seen) return seen.found;
          const time = watched.client.timing.wait(seen.againMs, either).catch(() => undefined);
          await Promise.race([change, time]);
        } finally {
          looked.abort();
        }
      }
    },
    close() {
      jobs.close();
      pods.close();
    },
  };
}

/** What is kept of a pod that is gone goes with its KubeJob. */
function watchBoth({ client, onError }: Watched) {
  const common = { client, labelSelector: managedBy, onError };
  const gonePods = new Map<string, PodFacts>();
  const jobs = watchObjects({
    ...common,
    path: client.path('jobs'),
    parse: (value) => KubeJobFacts.parse(value),
    onGone: ({ metadata }) => gonePods.delete(metadata.name),
  });
  const pods = watchObjects({
    ...common,
    path: client.path('pods'),
    parse: (value) => PodFacts.parse(value),
    ownerOf: kubeJobOf,
    onGone: (pod) => {
      const owner = kubeJobOf(pod);
      if (owner !== undefined && jobs.get(owner)) gonePods.set(owner, pod);
    },
  });
  const of = (name: string): BuilderView => ({
    job: jobs.get(name),
    pods: pods.ownedBy(name),
    gonePod: gonePods.get(name),
  });
  return { jobs, pods, of };
}

function kubeJobOf({ metadata }: PodFacts): string | undefined {
  return metadata.labels?.['batch.kubernetes.io/job-name'];
}

export function isCanceled({ job }: BuilderView): boolean {
  return job?.metadata.annotations?.[canceledAnnotation] === 'true';
}

/** Why a worker has ended it; undefined if none has, or if somebody has changed what it wrote. */
export function failureNoted({ job }: BuilderView): Failure | undefined {
  const noted = job?.metadata.annotations?.[failureAnnotation] ?? '';
  return Failure.safeParse(parseJson(noted)).data;
}

export function isUnknown({ job, pods }: BuilderView): boolean {
  return job === undefined && pods.length === 0;
}

/** Of the newest pod: undefined before it is there, or once it is gone. */
export function stateOf(
  view: BuilderView,
  container: string,
): 'waiting' | 'running' | 'ended' | undefined {
  const pod = newestPod(view);
  if (!pod) return undefined;
  const state = containersOf(pod).find(({ name }) => name === container)?.state;
  if (state?.terminated) return 'ended';
  return state?.running ? 'running' : 'waiting';
}
