/**
 * One deployment, from an accepted commit to the answer in git's ref line:
 *
 *     await its turn ─▶ archive the commit ─▶ record the build ─▶ ask for advance ─▶ print its output ─▶ move the ref
 *
 * The ref moves last, after the release; if this process dies before, `moveRefs` does it from the record.
 */
import {
  followOutput,
  rejection,
  renderEntry,
  renderSummary,
  type BuildPlan,
  type BuildRecord,
  type BuildRecords,
  type FollowOutputDeps,
} from '@hephy/core';
import type { ReceiveCommand, Repositories } from '@hephy/git';
import { beginBuild, type BeginDeps, type BeginInput } from './begin-build.ts';
import { moveRef } from './move-refs.ts';
import { patientRecords, patiently } from './patient-records.ts';
import { platformLabels } from './platform-labels.ts';
import { watchOver, type WatchDeps } from './watch-over.ts';

export interface DeployDeps extends BeginDeps {
  readonly repositories: BeginDeps['repositories'] & Pick<Repositories, 'updateRef'>;
  readonly markRefMoved: (buildId: string, at: Date) => Promise<void>;
  readonly records: Pick<BuildRecords, 'readBuild' | 'readOutput' | 'requestCancel'>;
  readonly subscribe: FollowOutputDeps['subscribe'];
  readonly health: WatchDeps['health'];
}

export type RefAnswer =
  /** `oldSha`: where the ref was moved from, if that is not where the push believed it. */
  | { readonly ref: string; readonly ok: true; readonly oldSha?: string }
  /** `later`: the build goes on, and the ref follows it. */
  | { readonly ref: string; readonly ok: false; readonly reason: string; readonly later?: boolean };

export async function deploy(input: BeginInput, deps: DeployDeps): Promise<RefAnswer> {
  const { app, write, signal } = input;
  const { ref } = input.command;
  const begun = await beginBuild(input, deps);
  if (begun.kind === 'refused') return { ref, ok: false, reason: begun.reason };
  if (begun.kind === 'released') return { ref, ok: true };
  const { buildId, plan, command } = begun;
  const onLeave = (): void => {
    if (!deps.shutdown.aborted) cancelFor(buildId, deps).catch(deps.onError);
  };
  signal.addEventListener('abort', onLeave, { once: true });
  if (signal.aborted) onLeave();
  try {
    const record = await follow({ buildId, plan, write, signal }, deps);
    if (!record) {
      return { ref, ok: false, later: true, reason: leftText(app.name, begun.number, deps) };
    }
    const answered = await answer({ record, command, signal }, deps);
    const elsewhere = command.oldSha !== input.command.oldSha;
    return answered.ok && elsewhere ? { ...answered, oldSha: command.oldSha } : answered;
  } finally {
    signal.removeEventListener('abort', onLeave);
    deps.line.move(app.id);
  }
}

function leftText(appName: string, number: number, { shutdown }: DeployDeps): string {
  const why = shutdown.aborted ? 'the service stops' : 'it is overdue';
  return `${why}; build ${number} goes on without you, see: hephy logs -f ${number} -a ${appName}`;
}

interface Following {
  readonly buildId: string;
  readonly plan: BuildPlan;
  readonly write: BeginInput['write'];
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
