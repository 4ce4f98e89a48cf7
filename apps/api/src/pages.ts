/** What lists have in common: the page's size, where it starts, and where the next one is. */
import { AppName } from '@hephy/core';
import { maxPageSize } from '@hephy/store';
import { z } from 'zod';

export const AppParams = z.object({ app: AppName });

export const Limit = z.coerce
  .number()
  .int()
  .min(1)
  .max(maxPageSize)
  .default(50)
  .meta({ description: 'Entries of one page.' });

/** The cursor of the next page, also as a link. Source: RFC 8288, `rel=next`. A full page may be the last one. */
export function pageOf(
  path: string,
  page: { query: { limit: number; cursor?: unknown }; size: number; last: string | undefined },
): { nextCursor: string | null; headers: Record<string, string> } {
  if (page.size < page.query.limit || page.last === undefined) {
    return { nextCursor: null, headers: {} };
  }
  const asked = Object.entries(page.query).map(([name, value]) => [name, String(value)]);
  const next = new URLSearchParams({
    ...(Object.fromEntries(asked) as Record<string, string>),
    cursor: page.last,
  });
  return { nextCursor: page.last, headers: { link: `<${path}?${next.toString()}>; rel="next"` } };
}
