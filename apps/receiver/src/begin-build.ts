/** From a push that git has accepted to its build in the record, or to the reason why there is none. */
import {
  deadlineOf,
  describeFailure,
  planBuild,
  type BuildPlan,
  type Failure,
  type SourceRef,
} from '@hephy/core';
import { zeroSha, type ReceiveCommand, type Repositories } from '@hephy/git';
import type { SourceStore } from '@hephy/source';
import {
  awaitTurn,
  type Line,
  type TurnDeps,
  type Unbuilt,
  type WaitingPush,
} from './await-turn.ts';
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
}

export interface BeginInput extends Omit<WaitingPush, 'place' | 'endsUnbuilt'> {
  readonly pushOptions: readonly string[];
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
  | Unbuilt;

export async function beginBuild(input: BeginInput, deps: BeginDeps): Promise<Begun> {
  const place = deps.line.join(input.app.id);
  try {
    for (;;) {
      const endsUnbuilt = (): Promise<Unbuilt | undefined> => tryOut(input, deps);
      const turn = await awaitTurn({ ...input, place, endsUnbuilt }, deps);
      if (turn.kind !== 'come') return turn;
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

/** All that may refuse a push whose turn has come, before it ends a build for that. */
async function tryOut(input: BeginInput, deps: BeginDeps): Promise<Unbuilt | undefined> {
  const from = await fromNow(input, deps);
  if (from.kind !== 'ahead') return from;
  const stored = await storeSource(input, deps);
  return stored.kind === 'refused' ? stored : undefined;
}

async function beginNow(
  input: BeginInput,
  deps: BeginDeps,
): Promise<Begun | { readonly kind: 'busy'; readonly number: number }> {
  const from = await fromNow(input, deps);
  if (from.kind !== 'ahead') return from;
  const { command } = from;
  const branch = branchOf(command);
  const { app, write } = input;
  await write(
    `-----> hephy-builder received ${branch} (${command.newSha.slice(0, 8)}) for ${app.name}`,
  );
  const stored = await storeSource(input, deps);
  if (stored.kind === 'refused') return stored;
  return acceptBuild({ ...input, command, source: stored.source }, deps);
}

function branchOf({ ref }: ReceiveCommand): string {
  return ref.slice('refs/heads/'.length);
}

/** The push from where its ref is now, if it brings that further. */
async function fromNow(
  input: BeginInput,
  deps: BeginDeps,
): Promise<{ readonly kind: 'ahead'; readonly command: ReceiveCommand } | Unbuilt> {
  const { app, write } = input;
  const { ref, newSha } = input.command;
  const branch = branchOf(input.command);
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
  return { kind: 'ahead', command };
}

async function storeSource(
  { app, command, signal }: BeginInput,
  deps: BeginDeps,
): Promise<
  | { readonly kind: 'stored'; readonly source: SourceRef }
  | { readonly kind: 'refused'; readonly reason: string }
> {
  const archive = deps.repositories.archive(app.id, command.newSha, { signal });
  const stored = await deps.source.put(archive, { maxBytes: deps.maxSourceBytes, signal });
  if (stored.ok) return { kind: 'stored', source: stored.source };
  return { kind: 'refused', reason: sourceRefusal(stored.failure) };
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
