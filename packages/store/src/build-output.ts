/**
 * Events and log pieces under one sequence per build. A number is taken from the build's row, under its lock, by the
 * statement that inserts the entry; so entries become visible in the order of their numbers, and a reader who has seen
 * N never finds a new entry at or below N.
 */
import type { BuildEvent, BuildRecords, OutputEntry } from '@hephy/core';
import { sql, type Kysely } from 'kysely';
import type { Schema } from './schema.ts';
import { storableJson, storableText } from './stored-text.ts';

type Inputs = { [Name in keyof BuildRecords]: Parameters<BuildRecords[Name]>[0] };

/** The most text in one entry. */
export const maxPieceBytes = 64 * 1024;

/** The `log_bytes` of a build only grow: beyond the limit the first piece leaves one line, the others none. */
export async function appendLog(
  db: Kysely<Schema>,
  { key, owner, piece, at, maxLogBytes }: Inputs['appendLog'] & { maxLogBytes: number },
): Promise<boolean> {
  const texts = splitText(storableText(piece.text), maxPieceBytes);
  const sizeBytes = texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
  const notice = `[the log of this build is longer than ${maxLogBytes} bytes; the rest is not kept]\n`;
  const { rows } = await sql`
    with locked as (
      select id from builds where id = ${key.buildId} for no key update
    ), w as (
      update work set log_offset = ${piece.toOffset}::bigint
      from locked
      where work.build_id = locked.id and work.kind = ${key.kind} and work.name = ${key.name}
        and work.state = 'running' and work.lease_owner = ${owner}
        and work.log_offset = ${piece.fromOffset}::bigint
      returning work.build_id
    ), b as (
      update builds set
        log_bytes = log_bytes + ${sizeBytes}::bigint,
        last_seq = last_seq + case
          when log_bytes + ${sizeBytes}::bigint <= ${maxLogBytes}::bigint then ${texts.length}::bigint
          when log_bytes <= ${maxLogBytes}::bigint then 1
          else 0 end
      from w where builds.id = w.build_id
      returning builds.id, last_seq, case
          when log_bytes <= ${maxLogBytes}::bigint then ${texts}::text[]
          when log_bytes - ${sizeBytes}::bigint <= ${maxLogBytes}::bigint then array[${notice}]::text[]
          else '{}'::text[] end as texts
    ), kept as (
      insert into output (build_id, seq, at, image, platform, text)
      select b.id, b.last_seq - cardinality(b.texts) + item.place, ${at}::timestamptz,
        ${piece.image}, ${piece.platform}, item.text
      from b, unnest(b.texts) with ordinality as item (text, place)
    )
    select id from b`.execute(db);
  return rows.length === 1;
}

/** Whole lines together, each part at most `maxBytes`; a longer line is cut into several, each ended by `\n`. */
export function splitText(text: string, maxBytes: number): string[] {
  if (text === '') return [];
  if (Buffer.byteLength(text) <= maxBytes) return [text];
  const half = halfOf(text);
  return [...splitText(half[0], maxBytes), ...splitText(half[1], maxBytes)];
}

/** At the line end nearest before the middle, or after it; else in the middle of the only line. */
function halfOf(text: string): [string, string] {
  const middle = Math.floor(text.length / 2);
  const before = text.lastIndexOf('\n', middle - 1);
  const lineEnd = before >= 0 ? before : text.indexOf('\n', middle);
  if (lineEnd >= 0 && lineEnd < text.length - 1) {
    return [text.slice(0, lineEnd + 1), text.slice(lineEnd + 1)];
  }
  // Not between the two halves of one character.
  const cut = /[\uDC00-\uDFFF]/.test(text[middle] ?? '') ? middle + 1 : middle;
  return [`${text.slice(0, cut)}\n`, text.slice(cut)];
}

export async function appendEvent(
  db: Kysely<Schema>,
  { buildId, event, at }: Inputs['appendEvent'],
): Promise<void> {
  const { rows } = await sql`
    with b as (
      update builds set last_seq = last_seq + 1 where id = ${buildId} returning id, last_seq
    ), told as (
      insert into output (build_id, seq, at, event)
      select id, last_seq, ${at}::timestamptz, ${storableJson(event)}::jsonb from b
    )
    select id from b`.execute(db);
  if (rows.length === 0) throw new Error(`no build ${buildId} to append an event to`);
}

export async function readOutput(
  db: Kysely<Schema>,
  { buildId, afterSeq, limit }: Inputs['readOutput'],
): Promise<OutputEntry[]> {
  const rows = await db
    .selectFrom('output')
    .selectAll()
    .where('build_id', '=', buildId)
    .where('seq', '>', afterSeq)
    .orderBy('seq')
    .limit(limit)
    .execute();
  return rows.map(({ seq, at, event, image, platform, text }) =>
    event
      ? { kind: 'event', seq, at, event }
      : { kind: 'log', seq, at, image: image ?? '', platform: platform ?? '', text: text ?? '' },
  );
}

/** The events alone, in order. */
export async function readEvents(
  db: Kysely<Schema>,
  { buildId, afterSeq, limit }: Inputs['readOutput'],
): Promise<{ seq: number; at: Date; event: BuildEvent }[]> {
  const rows = await db
    .selectFrom('output')
    .select(['seq', 'at', 'event'])
    .where('build_id', '=', buildId)
    .where('seq', '>', afterSeq)
    .where('event', 'is not', null)
    .$narrowType<{ event: BuildEvent }>()
    .orderBy('seq')
    .limit(limit)
    .execute();
  return rows;
}
