/** The fields that many schemas share, and how times become text. */
import { z } from 'zod';

/** RFC 3339, UTC, with milliseconds. */
export const Time = z.iso.datetime();

export function timeText(at: Date): string {
  return at.toISOString();
}

export function timeTextOrNull(at: Date | null): string | null {
  return at === null ? null : timeText(at);
}

/** Whole milliseconds from start to end; null until both are known. */
export function durationOf({
  startedAt,
  finishedAt,
}: {
  startedAt: Date | null;
  finishedAt: Date | null;
}): number | null {
  return startedAt && finishedAt ? finishedAt.getTime() - startedAt.getTime() : null;
}

export const Ulid = z.ulid('is not an id: 26 letters and digits, such as the `id` of a build');
export const Sha = z.string().regex(/^[0-9a-f]{40}$/);
export const ImageDigest = z.string();

/** Names of users, and of their tokens. */
export const UserName = z
  .string()
  .regex(
    /^[a-zA-Z0-9](?:[a-zA-Z0-9._@-]{0,62}[a-zA-Z0-9])?$/,
    'use 1 to 64 letters, digits, dots, dashes, underscores and @',
  );
export const TokenName = z
  .string()
  .min(1)
  .max(100)
  .regex(/^[^\p{Cc}]*$/u, 'must not hold control characters');
