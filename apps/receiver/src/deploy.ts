/**
 * One deployment, from an accepted commit to the answer in git's ref line:
 *
 *     archive the commit ─▶ record the build ─▶ ask for advance ─▶ print its output ─▶ move the ref
 *
 * The ref moves last, after the release; if this process dies before, `moveRefs` does it from the record.
 */
import {
  deadlineOf,
  describeFailure,
  followOutput,
  planBuild,
  rejection,
  renderEntry,
  renderSummary,
  type App,
  type BuildPlan,
  type BuildRecord,
  type BuildRecords,
  type Failure,
  type FollowOutputDeps,
  type SourceRef,
  type StepQueue,
} from '@hephy/core';
import { zeroSha, type ReceiveCommand, type Repositories } from '@hephy/git';
import type { SourceStore } from '@hephy/source';
import type { Pusher } from './authorize.ts';
import { moveRef } from './move-refs.ts';
import { patientRecords, patiently, type PatienceDeps } from './patient-records.ts';
import { platformLabels } from './platform-labels.ts';
import { watchOver, type WatchDeps } from './watch-over.ts';

export interface AcceptPush {
  (push: {
    id: string;
    appId: string;
    userName: string;
    ref: string;
    oldSha: string;
    newSha: string;
    source: SourceRef;
    plan: BuildPlan;
    deadlineAt: Date;
    at: Date;
    /** Asked again under the same one, the same build answers. */
    requestKey: string;
  }): Promise<
    | { readonly ok: true; readonly number: number; readonly version: number }
    | { readonly ok: false; readonly why: 'Busy'; readonly runningNumber: number }
  >;
}

export interface DeployDeps extends PatienceDeps {
  readonly repositories: Pick<Repositories, 'archive' | 'readRef' | 'updateRef'>;
  readonly source: Pick<SourceStore, 'put'>;
  readonly acceptPush: AcceptPush;
  readonly markRefMoved: (buildId: string, at: Date) => Promise<void>;
  readonly records: Pick<BuildRecords, 'readBuild' | 'readOutput' | 'requestCancel'>;
  readonly queue: Pick<StepQueue, 'askAdvance'>;
  readonly subscribe: FollowOutputDeps['subscribe'];
  readonly health: WatchDeps['health'];
  readonly registry: string;
  readonly maxSourceBytes: number;
  readonly now: () => Date;
  readonly newId: () => string;
  /** Aborts when this process leaves: its clients are cut off then, and their builds go on. */
  readonly shutdown: AbortSignal;
}

export interface DeployInput {
  readonly app: App;
  readonly pusher: Pusher;
  readonly command: ReceiveCommand;
  readonly pushOptions: readonly string[];
  readonly write: (line: string) => Promise<void> | void;
  /** Aborts when the client leaves. */
  readonly signal: AbortSignal;
}

export type RefAnswer =
  | { readonly ref: string; readonly ok: true }
  /** `later`: the build goes on, and the ref follows it. */
  | { readonly ref: string; readonly ok: false; readonly reason: string; readonly later?: boolean };

export async function deploy(input: DeployInput, deps: DeployDeps): Promise<RefAnswer> {
  const { app, command, write, signal } = input;
  const { ref, newSha } = command;
  const branch = ref.slice('refs/heads/'.length);
  // Git itself does not look: a release of what began at an older commit could not be followed by its ref.
  const current = await deps.repositories.readRef(app.id, ref);
  if ((current ?? zeroSha) !== command.oldSha) {
    return { ref, ok: false, reason: `${branch} has moved meanwhile; fetch it, and push again` };
  }
  await write(`-----> hephy-builder received ${branch} (${newSha.slice(0, 8)}) for ${app.name}`);
  const stored = await deps.source.put(deps.repositories.archive(app.id, newSha, { signal }), {
    maxBytes: deps.maxSourceBytes,
    signal,
  });
  if (!stored.ok) return { ref, ok: false, reason: sourceRefusal(stored.failure) };
  const accepted = await acceptBuild(input, stored.source, deps);
  if (!accepted.ok) {
    return { ref, ok: false, reason: `build ${accepted.runningNumber} of ${app.name} is running` };
  }
  const { buildId, plan } = accepted;
  const onLeave = (): void => {
    if (!deps.shutdown.aborted) cancelFor(buildId, deps).catch(deps.onError);
  };
  signal.addEventListener('abort', onLeave, { once: true });
  if (signal.aborted) onLeave();
  try {
    const record = await follow({ buildId, plan, write, signal }, deps);
    if (!record) {
      return { ref, ok: false, later: true, reason: leftText(app.name, accepted.number, deps) };
    }
    return await answer({ record, command, signal }, deps);
  } finally {
    signal.removeEventListener('abort', onLeave);
  }
}

function sourceRefusal(failure: Failure): string {
  const why = describeFailure(failure);
  if (failure.reason !== 'SourceTooLarge') return why;
  return `${why}; keep large files out of git, or let the operator raise HEPHY_MAX_SOURCE_MB`;
}

function leftText(appName: string, number: number, { shutdown }: DeployDeps): string {
  const why = shutdown.aborted ? 'the service stops' : 'it is overdue';
  return `${why}; build ${number} goes on without you, see: hephy logs -f ${number} -a ${appName}`;
}

async function acceptBuild(
  { app, pusher, command, pushOptions }: DeployInput,
  source: SourceRef,
  deps: DeployDeps,
): Promise<
  | {
      readonly ok: true;
      readonly buildId: string;
      readonly plan: BuildPlan;
      readonly number: number;
    }
  | { readonly ok: false; readonly runningNumber: number }
> {
  const at = deps.now();
  const buildId = deps.newId();
  const plan = planBuild({
    app,
    sha: command.newSha,
    registry: deps.registry,
    noCache: pushOptions.includes('no-cache'),
  });
  const push = {
    id: buildId,
    appId: app.id,
    userName: pusher.userName,
    ...command,
    source,
    plan,
    deadlineAt: deadlineOf(plan, at),
    at,
    requestKey: buildId,
  };
  // Until we leave, not until the client does: a build that was made without our hearing of it could not be canceled.
  const accepted = await patiently(() => deps.acceptPush(push), { ...deps, signal: deps.shutdown });
  if (!accepted.ok) return accepted;
  await deps.queue.askAdvance({ buildId, version: accepted.version });
  return { ok: true, buildId, plan, number: accepted.number };
}

interface Following {
  readonly buildId: string;
  readonly plan: BuildPlan;
  readonly write: DeployInput['write'];
  readonly signal: AbortSignal;
}

/** Prints the build until it has ended; answers nothing if it should have and has not, or if this process leaves. */
async function follow(following: Following, deps: DeployDeps): Promise<BuildRecord | undefined> {
  const ending = new AbortController();
  const input = { ...following, signal: AbortSignal.any([following.signal, ending.signal]) };
  const records = patientRecords(deps.records, { ...deps, signal: input.signal });
  const printed = printOutput(input, deps);
  const overdue = watchOver(input, { ...deps, records }).catch(() => printed);
  const { promise: leaving, resolve } = Promise.withResolvers<void>();
  deps.shutdown.addEventListener('abort', () => resolve(), { signal: ending.signal });
  if (deps.shutdown.aborted) resolve();
  try {
    return (await Promise.race([printed, overdue, leaving])) ?? undefined;
  } finally {
    ending.abort('followed');
    // Left behind, it ends with the abort, which is nobody's failure.
    printed.catch(() => undefined);
  }
}

async function printOutput(
  { buildId, plan, write, signal }: Following,
  deps: DeployDeps,
): Promise<BuildRecord> {
  const { subscribe } = deps;
  const records = patientRecords(deps.records, { ...deps, signal });
  const labels = platformLabels(plan);
  for await (const entry of followOutput(
    { buildId, afterSeq: 0, signal },
    { records, subscribe },
  )) {
    for (const line of renderEntry(entry, labels)) await write(line);
  }
  const record = await records.readBuild(buildId);
  if (!record) throw new Error(`build ${buildId} is gone from the record`);
  for (const line of renderSummary(record)) await write(line);
  return record;
}

async function answer(
  {
    record,
    command,
    signal,
  }: { record: BuildRecord; command: ReceiveCommand; signal: AbortSignal },
  deps: DeployDeps,
): Promise<RefAnswer> {
  const { ref, oldSha } = command;
  if (record.build.state !== 'succeeded') return { ref, ok: false, reason: rejection(record) };
  const { id, appId, sha } = record.build;
  const move = { buildId: id, appId, ref, newSha: sha, oldSha };
  const moved = await patiently(() => moveRef(move, deps), { ...deps, signal });
  return moved.ok ? { ref, ok: true } : { ref, ok: false, reason: moved.reason };
}

async function cancelFor(buildId: string, deps: DeployDeps): Promise<void> {
  const { records, queue, now } = deps;
  const wish = { buildId, by: 'client', reason: 'the client left', at: now() };
  const asked = await patiently(() => records.requestCancel(wish), {
    ...deps,
    signal: deps.shutdown,
  });
  // Too late to cancel: the build goes on to its end, and the ref follows it from the record.
  if (asked.ok) await queue.askAdvance({ buildId, version: asked.version });
}
