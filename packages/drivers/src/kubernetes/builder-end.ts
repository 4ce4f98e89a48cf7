/** How a builder has ended, if it has: from its KubeJob and pod, and only if these do not tell, from its log or events. */
import { failureOf, type Failure } from '@hephy/core';
import type { BuilderResult } from '../driver.ts';
import { failureNoted, isCanceled, type BuilderView } from './builder-view.ts';
import type { ExplainLog } from './container.ts';
import type { KubeClient } from './kube-client.ts';
import { KubeFailure } from './kube-failure.ts';
import { failPatch } from './kube-job.ts';
import {
  containersOf,
  EventFacts,
  isOver,
  KubeJobFacts,
  newestPod,
  PodFacts,
} from './pod-facts.ts';
import { withNode } from './next-attempt.ts';
import { outcomeOf, type Outcome } from './pod-failure.ts';
import { buildContainer } from './pod-spec.ts';
import { stuckOf, type Stuck } from './pod-stuck.ts';

export interface EndDeps {
  readonly client: KubeClient;
  readonly explainLog: ExplainLog;
}

/** While nothing changes: a clock that runs on may change the answer. */
const lookAgainMs = 30_000;
const cancelLookMs = 1_000;
const tailBytes = 65_536;
/** Without it a registry's failure would be taken for the user's. A node that is gone is not waited for, though. */
const tailTries = 10;

/** Answers what to look for in the views of one builder until it has ended. One that gets stuck is ended by us. */
export function lookForEnd(name: string, { client, explainLog: explain }: EndDeps) {
  let logTail: string | undefined;
  let unread = 0;
  return async (
    view: BuilderView,
    signal: AbortSignal,
  ): Promise<{ found: BuilderResult } | { againMs: number }> => {
    const outcome = outcomeOf({ ...view, explain, logTail });
    if (outcome.ended && view.pods.length > 0) return { found: outcome.result };
    if (outcome.ended) {
      // The two watches keep no order: the pod of a KubeJob that has ended may be on its way to us.
      const pods = await listPods(name, { client, signal });
      const told = pods.length === 0 ? endOfGonePod(view, explain, logTail) : undefined;
      const certain = told ?? outcomeOf({ ...view, pods, explain, logTail });
      return certain.ended ? { found: certain.result } : { againMs: cancelLookMs };
    }
    if (logTail === undefined && hasFailed(view)) {
      logTail = await readTail(view, { client, signal });
      if (logTail === undefined && ++unread < tailTries) return { againMs: cancelLookMs };
      logTail ??= '';
      const explained = outcomeOf({ ...view, explain, logTail });
      if (explained.ended) return { found: explained.result };
    }
    const stuck = stuckNow(view, { client });
    if (isCanceled(view)) {
      // Its pod is left to a node that says nothing of it any more.
      const isLeft = stuck?.waitMs === 0 || view.pods.every(isOver);
      const failure = failureNoted(view) ?? failureOf('BuilderLost');
      return isLeft ? { found: failed(failure) } : { againMs: cancelLookMs };
    }
    if (!stuck) return { againMs: lookAgainMs };
    if (stuck.waitMs > 0) return { againMs: stuck.waitMs };
    const events = await readEvents(view, { client, signal });
    const explained = stuckNow(view, { client, events });
    if (!explained) return { againMs: lookAgainMs };
    if (explained.waitMs > 0) return { againMs: explained.waitMs };
    const failure = withNode(explained.failure, newestPod(view));
    await client.mergePatch(client.path('jobs', name), failPatch(failure), {
      parse: (value) => KubeJobFacts.parse(value),
      signal,
    });
    return { found: failed(failure) };
  };
}

/** Whether it will not run any more, or will not start by itself: its log will not grow. */
export function isSilent(view: BuilderView, { client, explainLog: explain }: EndDeps): boolean {
  if (isCanceled(view) || outcomeOf({ ...view, explain, logTail: '' }).ended) return true;
  return stuckNow(view, { client, events: [] })?.waitMs === 0;
}

/** What it waits for by now, by the cluster's clock; undefined while it waits for nothing that needs patience. */
export function stuckNow(
  view: BuilderView,
  { client, events }: Pick<EndDeps, 'client'> & { events?: readonly EventFacts[] },
): Stuck | undefined {
  const nowMs = client.clusterNow().getTime();
  return stuckOf({ ...view, nowMs, ...(events && { events }) });
}

/** As it was when it was deleted: it may have said more than its KubeJob does. */
function endOfGonePod(
  { job, gonePod }: BuilderView,
  explain: ExplainLog,
  logTail = '',
): Outcome | undefined {
  if (!gonePod) return undefined;
  const last = outcomeOf({ job, pods: [gonePod], explain, logTail });
  return last.ended ? last : undefined;
}

function failed(failure: Failure): BuilderResult {
  return { ok: false, failure };
}

/** Whether the log may say why. */
function hasFailed(view: BuilderView): boolean {
  const pod = newestPod(view);
  const build = pod && containersOf(pod).find(({ name }) => name === buildContainer);
  return (build?.state?.terminated?.exitCode ?? 0) !== 0;
}

interface Asking {
  readonly client: KubeClient;
  readonly signal: AbortSignal;
}

/**
 * Nothing, if the pod or its log is gone; undefined, if it could not be read now. Bounded here: the API server's
 * `limitBytes` would cut off the end.
 */
async function readTail(
  view: BuilderView,
  { client, signal }: Asking,
): Promise<string | undefined> {
  const pod = newestPod(view)?.metadata.name ?? '';
  const query = { container: buildContainer, tailLines: '200' };
  try {
    let tail = Buffer.alloc(0);
    const path = client.path('pods', pod, 'log');
    for await (const chunk of await client.stream(path, { query, silenceMs: 10_000, signal })) {
      tail = Buffer.concat([tail, chunk]).subarray(-tailBytes);
    }
    return tail.toString('utf8');
  } catch (error) {
    if (error instanceof KubeFailure) return error.temporary ? undefined : '';
    throw error;
  }
}

async function listPods(name: string, { client, signal }: Asking): Promise<PodFacts[]> {
  const labelSelector = `batch.kubernetes.io/job-name=${name}`;
  const { items } = await client.list(client.path('pods'), (value) => PodFacts.parse(value), {
    labelSelector,
    signal,
  });
  return items;
}

/** Of its pod, or while there is none, of its KubeJob. */
async function readEvents(view: BuilderView, { client, signal }: Asking): Promise<EventFacts[]> {
  const { metadata } = newestPod(view) ?? view.job ?? {};
  const { items } = await client.list(client.path('events'), (value) => EventFacts.parse(value), {
    fieldSelector: `involvedObject.uid=${metadata?.uid ?? ''}`,
    signal,
  });
  return items;
}
