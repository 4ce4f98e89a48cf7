import type { SourceStore } from '@hephy/source';

/** How long a commit's source is kept for `hephy rebuild`; after that the commit has to be pushed again. */
const keptMs = 7 * 24 * 3600_000;

/** Removes sources that are old, and that no build needs any more. */
export async function sweepSources({
  sources,
  listLiveSources,
  now,
}: {
  sources: Pick<SourceStore, 'sweep'>;
  /** The sha256 of the source of every build that has not ended. */
  listLiveSources: () => Promise<readonly string[]>;
  now: () => Date;
}): Promise<void> {
  const olderThan = new Date(now().getTime() - keptMs);
  await sources.sweep({ keep: new Set(await listLiveSources()), olderThan });
}
