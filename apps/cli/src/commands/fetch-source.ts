/**
 * `hephy fetch-source`: the first container of a builder's pod. What it is asked comes from its environment, because
 * everybody may read arguments. What went wrong is its last word: a line on standard error, and in the file that
 * Kubernetes takes the termination message from.
 */
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
import { failureOf, formatDuration, type Failure } from '@hephy/core';
import { fetchSource, lastWordsOf } from '@hephy/source';
import { z } from 'zod';

const Asked = z.object({
  HEPHY_SOURCE_URL: z
    .string()
    .refine((url) => ['http:', 'https:'].includes(URL.parse(url)?.protocol ?? '')),
  HEPHY_SOURCE_SHA256: z.string().regex(/^[0-9a-f]{64}$/),
  HEPHY_SOURCE_SIZE_BYTES: z
    .string()
    .regex(/^\d{1,15}$/)
    .transform(Number),
  HEPHY_SOURCE_DIRECTORY: z.string().startsWith('/'),
  HEPHY_TERMINATION_LOG: z.string().startsWith('/').optional(),
});

/** Answers the exit code. */
export async function fetchSourceCommand(
  environment: NodeJS.ProcessEnv,
  { print, complain }: { print: (line: string) => void; complain: (line: string) => void },
): Promise<number> {
  // A process with the id 1 has no default for signals, and there is nothing to put in order.
  process.once('SIGTERM', () => process.exit(143));
  // The files are for everybody in the pod to read, whatever the image says.
  process.umask(0o022);
  const startedAt = performance.now();
  const failure = await fetchAsked(environment);
  if (!failure) {
    print(`fetched and unpacked the source in ${formatDuration(performance.now() - startedAt)}`);
    return 0;
  }
  const words = lastWordsOf(failure);
  complain(words);
  const file = environment['HEPHY_TERMINATION_LOG'];
  if (file) await writeFile(file, words);
  return 1;
}

async function fetchAsked(environment: NodeJS.ProcessEnv): Promise<Failure | undefined> {
  const { data: asked, error } = Asked.safeParse(environment);
  if (!asked) {
    const names = error.issues.map(({ path }) => path.join('.'));
    return failureOf('InternalError', { detail: `not as expected: ${names.join(', ')}` });
  }
  const { HEPHY_SOURCE_SHA256: sha256, HEPHY_SOURCE_SIZE_BYTES: sizeBytes } = asked;
  try {
    const fetched = await fetchSource(
      {
        url: new URL(asked.HEPHY_SOURCE_URL),
        source: { sha256, sizeBytes },
        directory: asked.HEPHY_SOURCE_DIRECTORY,
      },
      {
        fetcher: randomBytes(32).toString('base64url'),
        random: Math.random,
        wait: (milliseconds, signal) => setTimeout(milliseconds, undefined, { signal }),
      },
    );
    return fetched.ok ? undefined : fetched.failure;
  } catch (cause) {
    return failureOf('InternalError', { detail: cause instanceof Error ? cause.message : '' });
  }
}
