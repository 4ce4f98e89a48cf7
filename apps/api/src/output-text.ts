/** The two shapes in which a followed build is written out. */
import { renderEntry, renderSummary, type OutputEntry } from '@hephy/core';
import { platformLabel } from '@hephy/oci';
import type { Followed } from './follow-build.ts';
import { viewEvent, viewLog } from './output-views.ts';

/** The lines of a push, with its closing tree. */
export async function* asPushLines(
  followed: AsyncIterable<Followed>,
  platforms: readonly string[],
): AsyncGenerator<string> {
  const labels = new Map(platforms.map((name) => [name, platformLabel(name, platforms)]));
  for await (const item of followed) {
    const lines = linesOf(item, labels);
    if (lines.length > 0) yield `${lines.join('\n')}\n`;
  }
}

function linesOf(item: Followed, labels: ReadonlyMap<string, string>): string[] {
  switch (item.kind) {
    case 'entry':
      return renderEntry(item.entry, labels);
    case 'end':
      return renderSummary(item.record);
    case 'quiet':
      return [];
  }
}

/**
 * Server-sent events. `id` is the sequence number, so that `Last-Event-ID` resumes exactly; the last event is `end`.
 * Source: HTML Living Standard, "Server-sent events".
 */
export async function* asServerSentEvents(
  followed: AsyncIterable<Followed>,
): AsyncGenerator<string> {
  // Said at once: the client knows that it is connected, and proxies pass the headers on.
  yield ': connected\n\n';
  for await (const item of followed) yield frameOf(item);
}

function frameOf(item: Followed): string {
  switch (item.kind) {
    case 'quiet':
      return ': still here\n\n';
    case 'entry':
      return frame(
        String(item.entry.seq),
        item.entry.kind,
        item.entry.kind === 'log' ? viewLog(item.entry) : viewEvent(item.entry),
      );
    case 'end':
      return frame(endId(item.lastSeq), 'end', { state: item.record.build.state });
  }
}

function frame(id: string, event: string, data: object): string {
  // JSON holds no line ends: one data line is enough.
  return `id: ${id}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}

/** The id of the `end` event tells the client that got it from one that lost its connection just before. */
function endId(lastSeq: number): string {
  return `${lastSeq}.end`;
}

/** Where a client left off; undefined if the text is none of our ids. */
export function parseEventId(text: string): { seq: number; end: boolean } | undefined {
  const [, seq, end] = /^(\d{1,15})(\.end)?$/.exec(text) ?? [];
  return seq === undefined ? undefined : { seq: Number(seq), end: end !== undefined };
}

/** Drops what another platform said; what concerns the whole build stays. */
export async function* onlyPlatform(
  followed: AsyncIterable<Followed>,
  platform: string | undefined,
): AsyncGenerator<Followed> {
  for await (const item of followed) {
    const of = item.kind === 'entry' ? platformOf(item.entry) : undefined;
    if (platform === undefined || of === undefined || of === platform) yield item;
  }
}

function platformOf(entry: OutputEntry): string | undefined {
  if (entry.kind === 'log') return entry.platform;
  return 'platform' in entry.event ? entry.event.platform : undefined;
}
