/**
 * What a push does while a build of its app runs, by the app's own setting: it goes no further, waits, or takes the
 * build's place. What is busy is the build in the record, which ends by itself, so a crash leaves nothing to free; the
 * line only keeps the pushes of this process, which alone takes the app's, in the order of their arrival.
 */
import type { App, BuildRecords, StepQueue } from '@hephy/core';
import type { ReceiveCommand } from '@hephy/git';
import { holds, type AuthorizeDeps, type Pusher } from './authorize.ts';
import { patiently, type PatienceDeps } from './patient-records.ts';
import { deployApp, deployRefs } from './refs-policy.ts';
import { patienceMs } from './watch-over.ts';

/** The most pushes of one app at once: the one whose build runs, and those that wait. */
const maxPushesAtOnce = 10;

/** The most pushes of all apps that wait: each holds a connection, and those of other apps need some too. */
const maxWaiting = 100;

/** How many pushes the app's repository takes at once. */
export function pushesAtOnce({ settings }: App): number {
  return settings.pushWhileBuilding === 'refuse' ? 1 : maxPushesAtOnce;
}

/** The app's build that has not ended: there is one at most. */
export interface LiveBuild {
  readonly id: string;
  readonly number: number;
  readonly pushedBy: string;
  readonly deadlineAt: Date;
}

export interface Place {
  /** How many pushes of the app came before, and have not begun their builds. */
  ahead(): number;
  /** How many pushes of all apps have a place. */
  taken(): number;
  /** Resolves at the next `leave` or `move` of the app after this call. */
  moved(): Promise<void>;
  leave(): void;
}

export interface Line {
  join(appId: string): Place;
  /** Has the app's pushes look again: a build has ended that they may have waited for. */
  move(appId: string): void;
}

interface AppLine {
  readonly tokens: object[];
  next: PromiseWithResolvers<void>;
}

export function createLine(): Line {
  const lines = new Map<string, AppLine>();
  let taken = 0;
  const move = (appId: string): void => {
    const line = lines.get(appId);
    line?.next.resolve();
    if (line) line.next = Promise.withResolvers();
  };
  return {
    move,
    join(appId) {
      taken += 1;
      const token = {};
      const line = lines.get(appId) ?? { tokens: [], next: Promise.withResolvers() };
      lines.set(appId, line);
      line.tokens.push(token);
      return {
        ahead: () => line.tokens.indexOf(token),
        taken: () => taken,
        moved: () => line.next.promise,
        leave() {
          taken -= 1;
          line.tokens.splice(line.tokens.indexOf(token), 1);
          move(appId);
          if (line.tokens.length === 0) lines.delete(appId);
        },
      };
    },
  };
}

export interface TurnDeps extends PatienceDeps, Pick<AuthorizeDeps, 'rightOf'> {
  readonly findApp: (name: string) => Promise<App | undefined>;
  /** Moves the app's refs whose builds have succeeded, and whose pushes have not done so yet. */
  readonly catchUp: (appId: string) => Promise<void>;
  readonly findLiveBuild: (appId: string) => Promise<LiveBuild | undefined>;
  readonly records: Pick<BuildRecords, 'requestCancel'>;
  readonly queue: Pick<StepQueue, 'askAdvance'>;
  readonly now: () => Date;
  /** Aborts when this process leaves: its clients are cut off then, and their builds go on. */
  readonly shutdown: AbortSignal;
}

export interface WaitingPush {
  readonly app: App;
  readonly pusher: Pusher;
  readonly command: ReceiveCommand;
  readonly place: Place;
  /** How the push would end without a build of its own, if it began now: it then takes no other build's place. */
  readonly endsUnbuilt: () => Promise<Unbuilt | undefined>;
  readonly write: (line: string) => Promise<void> | void;
  /** Aborts when the client leaves. */
  readonly signal: AbortSignal;
}

export type Unbuilt =
  /** Another push has brought the ref to this commit meanwhile. */
  { readonly kind: 'released' } | { readonly kind: 'refused'; readonly reason: string };

/** `app` is as it is when the turn has come. */
export type Turn = { readonly kind: 'come'; readonly app: App } | Unbuilt;

/** How late a push learns of the end of a build that this process does not follow: of a rebuild, say. */
const lookEveryMs = 1_000;

/** Resolves when the push may begin its build, or is refused; rejects when its client leaves. */
export async function awaitTurn(push: WaitingPush, deps: TurnDeps): Promise<Turn> {
  const { app, place, signal } = push;
  if (app.settings.pushWhileBuilding === 'refuse') return { kind: 'come', app };
  let met: string | undefined;
  for (;;) {
    if (deps.shutdown.aborted) return refused('the service stops; push again');
    // Before the look: what moves after it is not missed.
    const moved = place.moved();
    const live = await patiently(() => deps.findLiveBuild(app.id), { ...deps, signal });
    const ahead = place.ahead();
    if (ahead === 0 && !live) return turnNow(push, deps);
    if (live && deps.now().getTime() > live.deadlineAt.getTime() + patienceMs) {
      return refused(overdueText(live, app));
    }
    if (met === undefined && place.taken() > maxWaiting) {
      return refused('too many pushes wait for their builds; push again later');
    }
    const meets = ahead > 0 ? `${ahead} pushes` : live?.id;
    if (meets !== met) {
      const line = ahead === 0 && live ? await meet(live, push, deps) : behindText(ahead, app);
      if (typeof line !== 'string') return line;
      await push.write(`-----> ${line}`);
      met = meets;
    }
    await waitFor(moved, push, deps);
  }
}

async function waitFor(
  moved: Promise<void>,
  { signal }: WaitingPush,
  { wait }: TurnDeps,
): Promise<void> {
  const over = new AbortController();
  const late = wait(lookEveryMs, AbortSignal.any([signal, over.signal]));
  try {
    await Promise.race([moved, late]);
  } finally {
    over.abort();
    late.catch(() => undefined);
  }
}

function refused(reason: string): Unbuilt {
  return { kind: 'refused', reason };
}

function overdueText({ number }: LiveBuild, { name }: App): string {
  return `build ${number} of ${name} is overdue, see: hephy logs ${number} -a ${name}`;
}

function behindText(ahead: number, app: App): string {
  return `Waiting behind ${ahead} ${ahead === 1 ? 'push' : 'pushes'} of ${app.name}`;
}

/** Has the build ahead make room, if this push is to take its place and could. Answers what its pusher is told, or its end. */
async function meet(live: LiveBuild, push: WaitingPush, deps: TurnDeps): Promise<string | Unbuilt> {
  const { app, pusher, command, signal } = push;
  const what = `build ${live.number} of ${app.name}, which ${live.pushedBy} pushed`;
  const waiting = `Waiting for ${what} (watch it: hephy logs -f ${live.number} -a ${app.name})`;
  if (app.settings.pushWhileBuilding !== 'supersede') return waiting;
  const turn = await turnNow(push, deps);
  if (turn.kind !== 'come') return turn;
  if (turn.app.settings.pushWhileBuilding !== 'supersede') return waiting;
  const unbuilt = await push.endsUnbuilt();
  if (unbuilt) return unbuilt;
  const wish = {
    buildId: live.id,
    by: pusher.userName,
    reason: `${pusher.userName} pushed ${command.newSha.slice(0, 8)}`,
    superseded: true,
    at: deps.now(),
  };
  const asked = await patiently(() => deps.records.requestCancel(wish), { ...deps, signal });
  // What is being published goes on to its end.
  if (!asked.ok) return waiting;
  await deps.queue.askAdvance({ buildId: live.id, version: asked.version });
  return `Superseding ${what}`;
}

/**
 * The app as it is now: while the push waited it may have been deleted, another branch may have become the one it deploys,
 * and its pusher may have lost the right to push.
 */
async function turnNow(
  { app, pusher, command, signal }: WaitingPush,
  deps: TurnDeps,
): Promise<Turn> {
  const patience = { ...deps, signal };
  await patiently(() => deps.catchUp(app.id), patience);
  const current = await patiently(() => deps.findApp(app.name), patience);
  if (current?.id !== app.id) return refused(`${app.name} was deleted meanwhile`);
  const asked = { pusher, app, needed: 'deployer' } as const;
  if (!(await patiently(() => holds(asked, deps), patience))) {
    return refused(`${pusher.userName} may not push to ${app.name} any more`);
  }
  if (deployRefs(deployApp(current)).includes(command.ref)) return { kind: 'come', app: current };
  const { deployBranch } = current.settings;
  return refused(`${app.name} deploys ${deployBranch} by now; push to that`);
}
