import { isRetried, type Failure } from '@hephy/core';
import { expect, test } from 'vitest';
import type { ExplainLog } from './container.ts';
import { KubeJobFacts, PodFacts } from './pod-facts.ts';
import { outcomeOf } from './pod-failure.ts';
import { backoffLimit, exited, kubeJob, pod, type RecordedEnd } from './pod-states.ts';
import { builderEnds, runningStates } from './recorded-builder-ends.ts';
import { clusterEnds } from './recorded-cluster-ends.ts';
import { splitEnds } from './recorded-split-ends.ts';

/** A backend that knows two failures. */
const explain: ExplainLog = (tail) => {
  if (tail === 'step failed') return { reason: 'BuildFailed', detail: 'Dockerfile:4: RUN make' };
  return tail === 'push refused' ? { reason: 'PushDenied', detail: '403' } : undefined;
};

function outcomeOfRecorded({ job = kubeJob(), pods, logTail = '' }: RecordedEnd) {
  return outcomeOf({
    job: job === null ? undefined : KubeJobFacts.parse(job),
    pods: pods.map((item) => PodFacts.parse(item)),
    logTail,
    explain,
  });
}

function failureOfRecorded(recorded: RecordedEnd): Failure | undefined {
  const outcome = outcomeOfRecorded(recorded);
  return outcome.ended && !outcome.result.ok ? outcome.result.failure : undefined;
}

function tell(recorded: RecordedEnd): string {
  const outcome = outcomeOfRecorded(recorded);
  if (!outcome.ended) return 'running';
  if (outcome.result.ok) return outcome.result.digest;
  const { reason, exitCode } = outcome.result.failure;
  return exitCode === undefined ? reason : `${reason} ${exitCode}`;
}

test.each([...builderEnds, ...splitEnds, ...clusterEnds, ...runningStates])(
  '$what ($origin)',
  (recorded) => {
    expect(tell(recorded)).toBe(recorded.is);
    expect(failureOfRecorded(recorded)?.detail ?? '').toContain(recorded.says ?? '');
  },
);

test('what a cluster did to a builder is tried again, unless the builder would do it again', () => {
  const failures = clusterEnds
    .map(failureOfRecorded)
    .filter((failure) => failure !== undefined)
    .filter(({ reason }) => reason !== 'DiskFull');
  expect(failures.length).toBeGreaterThan(20);
  expect(failures.filter((failure) => !isRetried(failure))).toEqual([]);
});

test("a user's failure is never tried again, but for want of memory", () => {
  const failures = builderEnds
    .filter(({ logTail }) => logTail === 'step failed')
    .map(failureOfRecorded)
    .filter((failure) => failure !== undefined);
  const retried = failures.filter((failure) => isRetried(failure)).map(({ reason }) => reason);
  expect(retried).toEqual(['OutOfMemory']);
});

test('a failure that the log may explain is not judged before the log was read', () => {
  const pods = [PodFacts.parse(pod({ build: exited(1) }))];
  const job = KubeJobFacts.parse(backoffLimit);
  expect(outcomeOf({ job, pods, explain })).toEqual({ ended: false });
  const explained = outcomeOf({ job, pods, explain, logTail: 'push refused' });
  expect(explained).toMatchObject({ ended: true, result: { failure: { reason: 'PushDenied' } } });
});

test('a pod keeps nothing of what is not read', () => {
  const facts = PodFacts.parse(pod({}));
  expect(facts.metadata).not.toHaveProperty('managedFields');
  expect(facts.status).not.toHaveProperty('hostIP');
});
