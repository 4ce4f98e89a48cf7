/** The first lines of a generated page. */
export function heading(title: string, source: string): string[] {
  return [
    `# ${title}`,
    '',
    `<!-- Made by \`npm run docs\` from ${source}; edit that instead. -->`,
    '',
  ];
}

/** A Markdown table; prettier sets its columns. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  return [row(head), row(head.map(() => '---')), ...rows.map(row)];
}

function row(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}
