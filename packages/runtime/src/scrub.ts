import { Secret } from './secret.ts';

const hidden = '[secret]';
const secretKey =
  /authorization|token|password|passwd|secret|cookie|credential|api-?key|private-?key/i;
/** What stands before the `@` of an address. The scheme is bounded, so that no text makes the search slow. */
const userInfo = /(\b[a-z][a-z0-9+.-]{0,20}:\/\/)[^\s/]+@/gi;
/** What follows the scheme of an Authorization header. */
const authorization = /\b(bearer|basic)\s+[\w+/=.~-]{8,}/gi;
const hookSecret = /\bwhsec_[\w+/=-]+/g;

/** A log line is not the place for more: the rest is left out, and said to be. */
const maxDepth = 6;
const maxTextLength = 8192;
const maxValues = 300;

/** What one line may still hold. */
interface Budget {
  values: number;
}

/**
 * A copy of `fields` for a log line: values under telling keys are hidden at every depth, credentials within text as
 * well; errors become their name, message, fields, stack and cause. Bounded in depth, values and length.
 */
export function scrub(fields: Record<string, unknown>): Record<string, unknown> {
  return scrubEntries(Object.entries(fields), { depth: 0, budget: { values: maxValues } });
}

/** The same for a message. */
export function scrubMessage(message: unknown): unknown {
  return typeof message === 'string' ? scrubText(message) : message;
}

interface Place {
  readonly depth: number;
  readonly budget: Budget;
}

function scrubEntries(
  entries: readonly (readonly [string, unknown])[],
  place: Place,
): Record<string, unknown> {
  const kept: [string, unknown][] = [];
  for (const [key, value] of entries) {
    if (isSpent(place)) return { ...Object.fromEntries(kept), '[more]': entries.length };
    kept.push([key, secretKey.test(key) ? hide(value) : scrubValue(value, place)]);
  }
  return Object.fromEntries(kept);
}

function scrubItems(items: readonly unknown[], place: Place): unknown[] {
  const kept: unknown[] = [];
  for (const item of items) {
    if (isSpent(place)) return [...kept, `[${items.length} in all]`];
    kept.push(scrubValue(item, place));
  }
  return kept;
}

function isSpent({ budget }: Place): boolean {
  budget.values -= 1;
  return budget.values < 0;
}

/** Whether a secret is there may be seen: null, booleans and numbers (as in `tokenCount`) are. */
function hide(value: unknown): unknown {
  const harmless = ['undefined', 'boolean', 'number'].includes(typeof value);
  return value === null || harmless ? value : hidden;
}

function scrubValue(value: unknown, { depth, budget }: Place): unknown {
  if (typeof value === 'string') return scrubText(value);
  if (typeof value === 'bigint' || typeof value === 'symbol') return String(value);
  if (typeof value === 'function') return '[function]';
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof Secret) return hidden;
  if (value instanceof Date) return value;
  if (value instanceof URL) return scrubText(value.href);
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (depth >= maxDepth) return '[deeper]';
  const inside = { depth: depth + 1, budget };
  if (value instanceof Error) return scrubEntries(errorEntries(value), inside);
  if (Array.isArray(value)) return scrubItems(value, inside);
  return scrubEntries(Object.entries(value), inside);
}

function errorEntries(error: Error): [string, unknown][] {
  const { name, message, stack, cause } = error;
  const errors = error instanceof AggregateError ? error.errors : undefined;
  const known = Object.entries({ name, message, stack, cause, errors });
  return [...known, ...Object.entries(error)].filter(([, value]) => value !== undefined);
}

/** Hides credentials in addresses, in Authorization values, and hook secrets; cuts what is too long. */
function scrubText(text: string): string {
  return cutText(text)
    .replace(userInfo, `$1${hidden}@`)
    .replace(authorization, `$1 ${hidden}`)
    .replace(hookSecret, hidden);
}

/** Cuts between words: half an address would not show where its credentials end. */
function cutText(text: string): string {
  if (text.length <= maxTextLength) return text;
  const space = text.lastIndexOf(' ', maxTextLength);
  return `${text.slice(0, space > 0 ? space : maxTextLength)} [cut]`;
}
