import { tagsOf } from './build.ts';
import { decide, type Decision } from './decide.ts';
import type { BuildRecords, BuildSignals, StepQueue } from './record.ts';

export interface AdvanceDeps {
  readonly records: Pick<
    BuildRecords,
    'readBuild' | 'listUnprovenTags' | 'applyChange' | 'setAskAgainAt'
  >;
  readonly queue: Pick<StepQueue, 'askAdvance' | 'addStep'>;
  readonly signals: BuildSignals;
  readonly now: () => Date;
  readonly newId: () => string;
}

/** The longest time that the reconciler leaves alone a build for which somebody works: what a wiped Redis may cost. */
const longestSilenceMs = 15_000;

/** `decide` changes the state a handful of times in a row at most; more means two rules that undo each other. */
const maxRounds = 20;

/**
 * Brings one build as far as its record allows: decide, apply, decide again; then hands out the steps. Safe to run
 * twice, side by side, and to kill at any line: nothing is handed out that the record does not ask for.
 */
export async function advance(buildId: string, deps: AdvanceDeps): Promise<void> {
  for (let round = 0; round < maxRounds; round += 1) {
    const record = await deps.records.readBuild(buildId);
    if (!record) return;
    const isNew = record.work.length === 0;
    const unprovenTags = isNew
      ? await deps.records.listUnprovenTags(tagsOf(record.build.plan))
      : [];
    const decision = decide({ ...record, unprovenTags }, deps.now());
    if (decision.change) {
      const { version } = record.build;
      const { change } = decision;
      await deps.records.applyChange({
        buildId,
        version,
        change,
        at: deps.now(),
        newId: deps.newId,
      });
      await deps.signals.notify(buildId);
      continue;
    }
    await handOut({ buildId, version: record.build.version, decision }, deps);
    return;
  }
  throw new Error(`build ${buildId} did not settle in ${maxRounds} rounds of decide`);
}

async function handOut(
  { buildId, version, decision }: { buildId: string; version: number; decision: Decision },
  deps: AdvanceDeps,
): Promise<void> {
  const { askAgainAt } = decision;
  if (!askAgainAt) return;
  const now = deps.now().getTime();
  const silenceEnds = now + longestSilenceMs;
  // To look at a build that waits for its turn costs as much as to bring it forward. How long it may be left alone
  // depends on the line, which the reconciler knows.
  const lookAt = decision.waitsInLine
    ? askAgainAt.getTime()
    : Math.min(askAgainAt.getTime(), silenceEnds);
  // The record first: if the queue is gone, the reconciler asks again from it.
  await deps.records.setAskAgainAt(buildId, new Date(lookAt));
  await Promise.all(decision.steps.map((step) => deps.queue.addStep(step)));
  if (askAgainAt.getTime() < silenceEnds) {
    const delayMs = Math.max(0, askAgainAt.getTime() - now);
    await deps.queue.askAdvance({ buildId, version, delayMs });
  }
}
