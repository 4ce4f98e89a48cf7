/** One line of the table: what we measured, beside a peer or a floor of the same run. */
export interface Row {
  readonly measured: string;
  /** What a peer needs, or what nobody can go below, measured in the same run on the same machine. */
  readonly floor: string;
  /** Ours through the floor; undefined where the figure is a count. */
  readonly ratio: number | undefined;
  readonly met: boolean;
  /** What a reader needs to judge it: number of runs, spread, what was left out. */
  readonly notes: readonly string[];
}

export interface Figure {
  /** As `npm run bench <name>` takes it. */
  readonly name: string;
  readonly about: string;
  readonly goal: string;
  /** What this machine lacks for it, as sentences; none where nothing is said. */
  needs?(): readonly string[];
  measure(): Promise<Row>;
}

/** The value below which `share` (0 to 1) of the values lie: the nearest one that was really measured. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const value = sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)];
  if (value === undefined) throw new Error('nothing was measured');
  return value;
}

export function median(values: readonly number[]): number {
  return percentile(values, 0.5);
}

export async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}

export function milliseconds(value: number): string {
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
}

export function seconds(valueMs: number): string {
  return `${(valueMs / 1000).toFixed(valueMs < 100_000 ? 2 : 0)} s`;
}

export function mebibytes(bytes: number): string {
  return `${Math.round(bytes / 2 ** 20)} MiB`;
}
