/** From a push that git has accepted to its build in the record, or to the reason why there is none. */
import {
  deadlineOf,
  describeFailure,
  planBuild,
  type App,
  type BuildPlan,
  type Failure,
  type SourceRef,
} from '@hephy/core';
import { zeroSha, type ReceiveCommand, type Repositories } from '@hephy/git';
import type { SourceStore } from '@hephy/source';
import type { Pusher } from './authorize.ts';
import { awaitTurn, type Line, type TurnDeps } from './await-turn.ts';
import { patiently } from './patient-records.ts';

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

export interface BeginDeps extends TurnDeps {
  readonly line: Line;
  readonly repositories: Pick<Repositories, 'archive' | 'readRef' | 'contains'>;
  readonly source: Pick<SourceStore, 'put'>;
  readonly acceptPush: AcceptPush;
  readonly registry: string;
  readonly maxSourceBytes: number;
  readonly newId: () => string;
  /** Aborts when this process leaves: its clients are cut off then, and their builds go on. */
  readonly shutdown: AbortSignal;
}

export interface BeginInput {
  readonly app: App;
  readonly pusher: Pusher;
  readonly command: ReceiveCommand;
  readonly pushOptions: readonly string[];
  readonly write: (line: string) => Promise<void> | void;
  /** Aborts when the client leaves. */
  readonly signal: AbortSignal;
}

export type Begun =
  | {
      readonly kind: 'begun';
      readonly buildId: string;
      readonly number: number;
      readonly plan: BuildPlan;
      /** With the ref's place of now, which may be ahead of where the push believed it. */
      readonly command: ReceiveCommand;
    }
  /** Another push has brought the ref to this commit meanwhile. */
  | { readonly kind: 'released' }
  | { readonly kind: 'refused'; readonly reason: string };

export async function beginBuild(input: BeginInput, deps: BeginDeps): Promise<Begun> {
  const place = deps.line.join(input.app.id);
  try {
    for (;;) {
      const turn = await awaitTurn({ ...input, place }, deps);
      if (!turn.ok) return { kind: 'refused', reason: turn.reason };
      const { app } = turn;
      const begun = await beginNow({ ...input, app }, deps);
      if (begun.kind !== 'busy') return begun;
      // Somebody has asked for a build of an older commit in between.
      if (app.settings.pushWhileBuilding === 'refuse') {
        return { kind: 'refused', reason: `build ${begun.number} of ${app.name} is running` };
      }
    }
  } finally {
    place.leave();
  }
}

async function beginNow(
  input: BeginInput,
  deps: BeginDeps,
): Promise<Begun | { readonly kind: 'busy'; readonly number: number }> {
  const { app, write, signal } = input;
  const { ref, newSha } = input.command;
  const branch = ref.slice('refs/heads/'.length);
  const oldSha = (await deps.repositories.readRef(app.id, ref)) ?? zeroSha;
  if (oldSha === newSha) {
    await write(`-----> ${branch} is at ${newSha.slice(0, 8)} by now: there is nothing to build`);
    return { kind: 'released' };
  }
  const command = { ref, newSha, oldSha };
  // Git itself does not look: a release of what began at an older commit could not be followed by its ref.
  if (oldSha !== input.command.oldSha && !(await isForward(app.id, command, deps))) {
    const reason = `${branch} has moved meanwhile; fetch it, and push again`;
    return { kind: 'refused', reason };
  }
  await write(`-----> hephy-builder received ${branch} (${newSha.slice(0, 8)}) for ${app.name}`);
  const stored = await deps.source.put(deps.repositories.archive(app.id, newSha, { signal }), {
    maxBytes: deps.maxSourceBytes,
    signal,
  });
  if (!stored.ok) return { kind: 'refused', reason: sourceRefusal(stored.failure) };
  return acceptBuild({ ...input, command, source: stored.source }, deps);
}

async function isForward(
  appId: string,
  { oldSha, newSha }: ReceiveCommand,
  { repositories }: BeginDeps,
): Promise<boolean> {
  return oldSha !== zeroSha && repositories.contains(appId, { newer: newSha, older: oldSha });
}

function sourceRefusal(failure: Failure): string {
  const why = describeFailure(failure);
  if (failure.reason !== 'SourceTooLarge') return why;
  return `${why}; keep large files out of git, or let the operator raise HEPHY_MAX_SOURCE_MB`;
}

async function acceptBuild(
  { app, pusher, command, pushOptions, source }: BeginInput & { source: SourceRef },
  deps: BeginDeps,
): Promise<Begun | { readonly kind: 'busy'; readonly number: number }> {
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
  if (!accepted.ok) return { kind: 'busy', number: accepted.runningNumber };
  const { number, version } = accepted;
  await deps.queue.askAdvance({ buildId, version });
  return { kind: 'begun', buildId, number, plan, command };
}
