import type { Figure, Row } from './figure.ts';

export interface Measured {
  readonly figure: Figure;
  readonly row: Row;
}

const heads = ['figure', 'measured', 'floor or peer', 'ratio', 'goal', 'met?'];

function cells({ figure, row }: Measured): string[] {
  const ratio = row.ratio === undefined ? '–' : row.ratio.toFixed(row.ratio < 10 ? 3 : 1);
  return [figure.about, row.measured, row.floor, ratio, figure.goal, row.met ? 'yes' : 'no'];
}

/** For a terminal: columns, and the notes below. */
export function plainTable(measured: readonly Measured[]): string {
  const rows = [heads, ...measured.map(cells)];
  const widths = heads.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const lines = rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  const notes = measured.flatMap(({ figure, row }) =>
    row.notes.map((note) => `${figure.name}: ${note}`),
  );
  return [...lines, '', ...notes, ''].join('\n');
}

/** For the README: says when, where and how it was measured. */
export function markdownTable(
  measured: readonly Measured[],
  { date, machine, command }: { date: string; machine: string; command: string },
): string {
  return [
    `Measured on ${date} with \`${command}\` (${machine}).`,
    '',
    markdownLine(heads),
    markdownLine(heads.map(() => '---')),
    ...measured.map((one) => markdownLine(cells(one))),
    '',
  ].join('\n');
}

function markdownLine(row: readonly string[]): string {
  return `| ${row.join(' | ')} |`;
}
