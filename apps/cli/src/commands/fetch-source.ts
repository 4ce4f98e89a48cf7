/** `hephy fetch-source`: the first container of a builder's pod. */
import { randomBytes } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import { formatDuration } from '@hephy/core';
import { fetchSource } from '@hephy/source';
import { z } from 'zod';
import { runContainerCommand, type ContainerEnd } from './container-command.ts';

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
});

/** Answers the exit code. */
export async function fetchSourceCommand(
  environment: NodeJS.ProcessEnv,
  output: { print: (line: string) => void; complain: (line: string) => void },
): Promise<number> {
  // The files are for everybody in the pod to read, whatever the image says.
  process.umask(0o022);
  return runContainerCommand({ environment, asked: Asked, work: fetchAsked }, output);
}

async function fetchAsked(asked: z.infer<typeof Asked>): Promise<ContainerEnd> {
  const startedAt = performance.now();
  const { HEPHY_SOURCE_SHA256: sha256, HEPHY_SOURCE_SIZE_BYTES: sizeBytes } = asked;
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
  if (!fetched.ok) return fetched;
  const took = formatDuration(performance.now() - startedAt);
  return { ok: true, line: `fetched and unpacked the source in ${took}` };
}
