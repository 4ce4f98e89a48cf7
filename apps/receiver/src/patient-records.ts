import type { FollowOutputDeps } from '@hephy/core';

export interface PatienceDeps {
  readonly wait: (milliseconds: number, signal: AbortSignal) => Promise<void>;
  readonly onError: (error: unknown) => void;
}

const pauseMs = 1_000;
const tries = 60;

/** Asks again while the record does not answer: its restart costs a pusher a pause, and the build goes on meanwhile. */
export async function patiently<T>(
  ask: () => Promise<T>,
  { signal, wait, onError }: PatienceDeps & { signal: AbortSignal },
): Promise<T> {
  for (let left = tries; ; left -= 1) {
    try {
      return await ask();
    } catch (error) {
      if (signal.aborted || left === 0) throw error;
      onError(error);
      await wait(pauseMs, signal);
    }
  }
}

/** The same reads, asked patiently. */
export function patientRecords(
  records: FollowOutputDeps['records'],
  patience: PatienceDeps & { signal: AbortSignal },
): FollowOutputDeps['records'] {
  return {
    readBuild: (buildId) => patiently(() => records.readBuild(buildId), patience),
    readOutput: (input) => patiently(() => records.readOutput(input), patience),
  };
}
