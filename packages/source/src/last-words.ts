import { failureOf, reasons, type Failure, type Reason } from '@hephy/core';

/**
 * A failure as the termination message of a container of ours: one line of less than 4096 bytes.
 * Source: Kubernetes documentation, "Determine the Reason for Pod Failure".
 */
export function lastWordsOf({ reason, detail }: Failure): string {
  return detail === undefined ? reason : `${reason}: ${detail}`;
}

/** Undefined for anything that `lastWordsOf` does not say, such as the words of a container that could not start. */
export function readLastWords(words: string): Failure | undefined {
  const [, name = '', detail] = /^([A-Za-z]+)(?:: (.*))?$/s.exec(words.trim()) ?? [];
  if (!Object.hasOwn(reasons, name)) return undefined;
  return failureOf(name as Reason, detail === undefined ? {} : { detail });
}
