/** The name that takes the fewest letters to add, drop or change. Source: Levenshtein's distance. */
export function nearestName(name: string, names: readonly string[]): string {
  return names
    .map((candidate) => ({ candidate, edits: distance(name, candidate) }))
    .reduce((best, next) => (next.edits < best.edits ? next : best)).candidate;
}

function distance(left: string, right: string): number {
  let row = Array.from({ length: right.length + 1 }, (_, column) => column);
  for (const [line, letter] of left.split('').entries()) {
    const above = row;
    row = [line + 1];
    for (const [column, other] of right.split('').entries()) {
      const changed = (above[column] ?? 0) + (letter === other ? 0 : 1);
      row.push(Math.min(changed, (above[column + 1] ?? 0) + 1, (row[column] ?? 0) + 1));
    }
  }
  return row.at(-1) ?? 0;
}
