/** What docs/kubernetes.md has an operator type: tests run it as it stands there, with names of their own. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

const document = join(import.meta.dirname, '../../docs/kubernetes.md');

/** By a name of the document: what a test has in its place. */
export type Names = Readonly<Record<string, string>>;

/** The code blocks of a language below a heading, up to the next heading of its level. Throws where there is none. */
export async function readBlocks(
  { heading, language }: { readonly heading: string; readonly language: 'sh' | 'yaml' },
  names: Names,
): Promise<readonly string[]> {
  const text = sectionOf(await readFile(document, 'utf8'), heading);
  const blocks = [...text.matchAll(new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\``, 'gm'))];
  if (blocks.length === 0) throw new Error(`"${heading}" in ${document} has no ${language} block`);
  return blocks.map(([, block = '']) =>
    Object.entries(names).reduce((rest, [theirs, own]) => rest.replaceAll(theirs, own), block),
  );
}

function sectionOf(text: string, heading: string): string {
  const [, level = '', below = ''] = new RegExp(`^(##+) ${heading}\\n([^]*)`, 'm').exec(text) ?? [];
  // A single # begins a comment of a block.
  return below.split(new RegExp(`^#{2,${level.length}} `, 'm'))[0] ?? '';
}
