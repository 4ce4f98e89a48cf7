/** The documents say what is so: links lead somewhere, commands exist, generated pages are what the code says. */
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { makePages } from '../scripts/docs/pages.ts';
import { flagsIn, readHelp, type CommandHelp } from '../scripts/docs/read-help.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const documents = ['*.md', 'docs/**/*.md'].flatMap((pattern) => globSync(pattern, { cwd: root }));

describe('the documents', () => {
  let commands: readonly CommandHelp[];

  beforeAll(async () => {
    commands = await readHelp(root);
  });

  it('link to files and headings that are there', () => {
    expect(documents.length).toBeGreaterThan(10);
    expect(documents.flatMap(brokenLinks)).toEqual([]);
  });

  it('name only commands and flags that the real program has', () => {
    const written = documents
      .filter((path) => path !== 'docs/cli.md')
      .flatMap((path) => commandLines(read(path)).map((line) => ({ path, line })));
    expect(written.length).toBeGreaterThan(20);
    expect(written.filter(({ line }) => !isKnown(line, commands))).toEqual([]);
  });

  it('name only npm scripts that package.json has', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    const named = documents.flatMap((path) => npmScripts(read(path)));
    expect(named).toContain('demo');
    expect(named.filter((name) => !(name in scripts))).toEqual([]);
  });

  it('that are made from the code are what the code says', async () => {
    const pages = await makePages(root, commands);
    const stale = pages.filter(
      ({ path, text }) => !existsSync(join(root, path)) || read(path) !== text,
    );
    expect(stale.map(({ path }) => `${path}: run npm run docs`)).toEqual([]);
  });

  it("the README's first forty lines lead from nothing to a pushed image", () => {
    const start = read('README.md').split('\n').slice(0, 40).join('\n');
    const steps = [
      'npm run demo',
      'npm start',
      'hephy apps create',
      'git push deis main',
      'index sha256:',
    ];
    const places = steps.map((step) => start.indexOf(step, start.indexOf('```sh')));
    expect(places).not.toContain(-1);
    expect(places).toEqual(places.toSorted((one, other) => one - other));
  });
});

function brokenLinks(path: string): string[] {
  const links = [...withoutCode(read(path)).matchAll(/\]\(([^)\s]+)\)/g)].map(
    ([, link = '']) => link,
  );
  return links
    .filter((link) => !/^https?:/.test(link) && !leadsSomewhere(link, path))
    .map((link) => `${path}: ${link}`);
}

function leadsSomewhere(link: string, from: string): boolean {
  const [file = '', heading] = link.split('#');
  const target = file === '' ? from : join(dirname(from), file);
  if (!existsSync(join(root, target))) return false;
  return heading === undefined || headingsOf(target).includes(heading);
}

/** As a forge makes anchors of headings: lower case, no punctuation, dashes for spaces. */
function headingsOf(path: string): string[] {
  return [...withoutCode(read(path)).matchAll(/^#+ (.+)$/gm)].map(([, title = '']) =>
    title
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\- ]/gu, '')
      .replaceAll(' ', '-'),
  );
}

function withoutCode(text: string): string {
  return text.replace(/^```[^]*?^```/gm, '');
}

/** Each `hephy …` of a shell block or an inline code span, without what the shell takes for itself. */
function commandLines(text: string): string[] {
  const blocks = [...text.matchAll(/^```sh\n([^]*?)^```/gm)].map(([, block = '']) => block);
  const inBlocks = blocks.flatMap((block) => [...block.matchAll(/(?:^|\| )(hephy [^\n<|#]*)/gm)]);
  const inline = [...withoutCode(text).matchAll(/`(hephy [^`<|]+)/g)];
  return [...inBlocks, ...inline].map(([, line = '']) => line.trim());
}

/** Whether the real program has the command, takes as many arguments, and knows every flag. */
function isKnown(line: string, commands: readonly CommandHelp[]): boolean {
  const words = line
    .split(/\s+/)
    .slice(1)
    .filter((word) => word !== '…');
  const command = commands
    .filter((one) => one.words.every((word, place) => words[place] === word))
    .toSorted((one, other) => other.words.length - one.words.length)[0];
  if (!command) return false;
  const rest = words.slice(command.words.length);
  const flags = rest.filter((word) => word.startsWith('-'));
  const valued = flags.filter((flag) => new RegExp(`${flag}\\b[^\\n]* <`).test(command.text));
  const given = rest.length - flags.length - valued.length;
  const known = flagsIn(command);
  const [usage = ''] = command.text.split('\n');
  const taken = usage.includes('...')
    ? Infinity
    : (usage.match(/<\w+>|\[(?!options|command)\w+\]/g) ?? []).length;
  return flags.every((flag) => known.has(flag)) && given <= taken;
}

function npmScripts(text: string): string[] {
  const code = [...text.matchAll(/^```sh\n[^]*?^```|`[^`\n]+`/gm)].map(([span]) => span).join('\n');
  return [...code.matchAll(/\bnpm (?:run ([\w:]+)|(start|test)\b)/g)].map(
    ([, run, own]) => run ?? own ?? '',
  );
}
