import { writeFile } from 'node:fs/promises';
import { failureOf, type Failure } from '@hephy/core';
import { lastWordsOf } from '@hephy/source';
import type { z } from 'zod';

export type ContainerEnd =
  /** `result` is what the container leaves as its termination message. */
  | { readonly ok: true; readonly line: string; readonly result?: string }
  | { readonly ok: false; readonly failure: Failure };

export interface ContainerCommand<T> {
  readonly environment: NodeJS.ProcessEnv;
  readonly asked: z.ZodType<T>;
  readonly work: (asked: T) => Promise<ContainerEnd>;
}

/**
 * Runs a command that is a container of a builder's pod, and answers its exit code. What it is asked comes from its
 * environment, because everybody may read arguments. What went wrong is its last word: a line on standard error, and in
 * the file that Kubernetes takes the termination message from.
 */
export async function runContainerCommand<T>(
  input: ContainerCommand<T>,
  { print, complain }: { print: (line: string) => void; complain: (line: string) => void },
): Promise<number> {
  // A process with the id 1 has no default for signals, and there is nothing to put in order.
  process.once('SIGTERM', () => process.exit(143));
  const end = await endOf(input);
  const words = end.ok ? end.result : lastWordsOf(end.failure);
  if (end.ok) print(end.line);
  else complain(lastWordsOf(end.failure));
  const file = input.environment['HEPHY_TERMINATION_LOG'];
  if (file && words !== undefined) await writeFile(file, words);
  return end.ok ? 0 : 1;
}

async function endOf<T>({ environment, asked, work }: ContainerCommand<T>): Promise<ContainerEnd> {
  const parsed = asked.safeParse(environment);
  if (!parsed.success) {
    const names = parsed.error.issues.map(({ path }) => path.join('.'));
    const detail = `not as expected: ${names.join(', ')}`;
    return { ok: false, failure: failureOf('InternalError', { detail }) };
  }
  try {
    return await work(parsed.data);
  } catch (cause) {
    const detail = cause instanceof Error ? cause.message : '';
    return { ok: false, failure: failureOf('InternalError', { detail }) };
  }
}
