/** PostgreSQL stores neither NUL nor half of a surrogate pair in `text` and `jsonb`; build tools print both. */

/** Drops NUL, and puts U+FFFD where half of a surrogate pair stands. */
export function storableText(text: string): string {
  return text.replaceAll('\0', '').toWellFormed();
}

/** JSON whose strings PostgreSQL accepts. */
export function storableJson(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) =>
    typeof item === 'string' ? storableText(item) : item,
  );
}
