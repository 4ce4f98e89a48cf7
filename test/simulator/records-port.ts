import type { BuildRecords } from '@hephy/core';
import type { DirectRecords } from './memory-records.ts';
import type { Process } from './process.ts';

/** How one process reaches the record: every verb is a request that may fail before or after it was done. */
export function recordsPort(process: Pick<Process, 'call'>, records: DirectRecords): BuildRecords {
  const ask = <T>(verb: keyof BuildRecords, input: unknown, land: () => T): Promise<T> =>
    process.call({ verb, input, land, fault: 'record', slowest: 200 });
  return {
    readBuild: (id) => ask('readBuild', id, () => records.readBuild(id)),
    applyChange: (input) => ask('applyChange', input, () => records.applyChange(input)),
    setAskAgainAt: (id, at) => ask('setAskAgainAt', at, () => records.setAskAgainAt(id, at)),
    bringForward: (input) => ask('bringForward', input, () => records.bringForward(input)),
    listDueBuilds: (input) => ask('listDueBuilds', input, () => records.listDueBuilds(input)),
    claimWork: (input) => ask('claimWork', input, () => records.claimWork(input)),
    renewWork: (input) => ask('renewWork', input, () => records.renewWork(input)),
    finishWork: (input) => ask('finishWork', input, () => records.finishWork(input)),
    appendLog: (input) => ask('appendLog', input, () => records.appendLog(input)),
    appendEvent: (input) => ask('appendEvent', input, () => records.appendEvent(input)),
    readOutput: (input) => ask('readOutput', input, () => records.readOutput(input)),
    requestCancel: (input) => ask('requestCancel', input, () => records.requestCancel(input)),
    claimTag: (input) => ask('claimTag', input, () => records.claimTag(input)),
    noteTagMove: (input) => ask('noteTagMove', input, () => records.noteTagMove(input)),
    listUnprovenTags: (tags) => ask('listUnprovenTags', tags, () => records.listUnprovenTags(tags)),
    lockRepository: (input) => ask('lockRepository', input, () => records.lockRepository(input)),
    unlockRepository: (input) =>
      ask('unlockRepository', input, () => records.unlockRepository(input)),
  };
}
