import type { BuildRecords } from '@hephy/core';
import type { Kysely } from 'kysely';
import { applyChange } from './apply-change.ts';
import { appendEvent, appendLog, readOutput } from './build-output.ts';
import { isLive } from './live.ts';
import {
  claimTag,
  listUnprovenTags,
  lockRepository,
  noteTagMove,
  unlockRepository,
} from './publish-guards.ts';
import { readBuild } from './read-build.ts';
import { requestCancel } from './request-cancel.ts';
import type { Schema } from './schema.ts';
import { claimWork, finishWork, renewWork } from './work-leases.ts';

export interface BuildRecordsOptions {
  /** The most log kept of one build. */
  readonly maxLogBytes?: number;
}

const defaultMaxLogBytes = 50 * 1024 * 1024;

/** The record on PostgreSQL, as core's `record.ts` describes it. */
export function createBuildRecords(
  db: Kysely<Schema>,
  { maxLogBytes = defaultMaxLogBytes }: BuildRecordsOptions = {},
): BuildRecords {
  return {
    readBuild: (buildId) => readBuild(db, buildId),
    applyChange: (input) => applyChange(db, input),
    async setAskAgainAt(buildId, at) {
      await db.updateTable('builds').set({ ask_again_at: at }).where('id', '=', buildId).execute();
    },
    async bringForward({ at, limit }) {
      // One that somebody writes to now is left to the next call: two callers must not wait for each other's rows.
      const later = db
        .selectFrom('builds')
        .select('id')
        .where(isLive)
        .where('ask_again_at', '>', at)
        .orderBy('ask_again_at', 'desc')
        .limit(limit)
        .forNoKeyUpdate()
        .skipLocked();
      await db.updateTable('builds').set({ ask_again_at: at }).where('id', 'in', later).execute();
    },
    listDueBuilds: ({ now, limit }) =>
      db
        .selectFrom('builds')
        .select(['id', 'version'])
        .where(isLive)
        .where('ask_again_at', '<=', now)
        .orderBy('ask_again_at')
        .limit(limit)
        .execute(),
    claimWork: (input) => claimWork(db, input),
    renewWork: (input) => renewWork(db, input),
    finishWork: (input) => finishWork(db, input),
    appendLog: (input) => appendLog(db, { ...input, maxLogBytes }),
    appendEvent: (input) => appendEvent(db, input),
    readOutput: (input) => readOutput(db, input),
    requestCancel: (input) => requestCancel(db, input),
    claimTag: (input) => claimTag(db, input),
    noteTagMove: (input) => noteTagMove(db, input),
    listUnprovenTags: (tags) => listUnprovenTags(db, tags),
    lockRepository: (input) => lockRepository(db, input),
    unlockRepository: (input) => unlockRepository(db, input),
  };
}
