/** What every kind of `BuildRecords` has to do. Imported by tests alone. */
import type { Build, BuildRecords } from '@hephy/core';
import { afterAll, beforeAll, describe } from 'vitest';
import { describeChanges } from './conformance/changes.ts';
import { makeGround, type Ground } from './conformance/ground.ts';
import { describeHistory } from './conformance/history.ts';
import { describeLeases } from './conformance/leases.ts';
import { describeOutput } from './conformance/output.ts';
import { describePublishGuards } from './conformance/publish-guards.ts';
import { describeCancel } from './conformance/request-cancel.ts';

/** One record, empty at first. */
export interface RecordsUnderTest {
  readonly records: BuildRecords;
  /** Puts a build into the record as it is, without work, release or output; `askAgainAt` is its `createdAt`. */
  readonly seedBuild: (build: Build) => Promise<void>;
  readonly close: () => Promise<void>;
}

/** Declares the suite. `open` is called once; each test makes its own builds, of its own apps. */
export function buildRecordsConformance(name: string, open: () => Promise<RecordsUnderTest>): void {
  describe(`build records: ${name}`, () => {
    let opened: RecordsUnderTest | undefined;
    let ground: Ground | undefined;
    beforeAll(async () => {
      opened = await open();
      ground = makeGround(opened);
    });
    afterAll(async () => opened?.close());
    const onGround = (): Ground => {
      if (!ground) throw new Error('the records are opened by beforeAll');
      return ground;
    };
    describeChanges(onGround);
    describeLeases(onGround);
    describeHistory(onGround);
    describeOutput(onGround);
    describeCancel(onGround);
    describePublishGuards(onGround);
  });
}
