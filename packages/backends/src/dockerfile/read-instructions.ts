/**
 * The instructions of a Dockerfile as BuildKit's parser finds them, by which kaniko goes: continued lines are one, comments
 * and empty lines between them vanish, the text of a heredoc is none. Why there is no library for it:
 * docs/decisions/base-images.md. Source: moby/buildkit 0.30, frontend/dockerfile/parser.
 */
export interface Instruction {
  /** In capitals, known or not. */
  readonly name: string;
  /** `--name=value` before the arguments, without quotes; a flag without a value has the empty one. */
  readonly flags: ReadonlyMap<string, string>;
  /** What follows, with its quotes and variables. */
  readonly text: string;
  /** The one that it begins on, from 1. */
  readonly line: number;
}

/** Undefined: it ends in the middle of a heredoc, or its first lines contradict each other. */
export function readInstructions(dockerfile: string): Instruction[] | undefined {
  const lines = dockerfile
    .replace(/^\uFEFF/, '')
    .split('\n')
    .map((line) => withoutEnd(line, '\r'));
  const escape = escapeOf(lines);
  if (escape === undefined) return undefined;
  const instructions: Instruction[] = [];
  for (let at = 0; at < lines.length;) {
    const line = at + 1;
    const read = readLogicalLine(lines, at, escape);
    at = read.next;
    if (read.text === '') continue;
    const instruction = { ...splitInstruction(read.text), line };
    for (const heredoc of heredocsOf(instruction, read.text)) {
      while (at < lines.length && !endsHeredoc(lines[at] ?? '', heredoc)) at += 1;
      if (at === lines.length) return undefined;
      at += 1;
    }
    instructions.push(instruction);
  }
  return instructions;
}

const directive = /^#\s*([A-Za-z][A-Za-z0-9]*)\s*=\s*(.+)$/;
const directives = new Set(['syntax', 'check', 'escape']);

/** What continues a line; directives stand before all else, each once. */
function escapeOf(lines: readonly string[]): string | undefined {
  const seen = new Map<string, string>();
  for (const line of lines) {
    const [, name = '', value = ''] = directive.exec(line.trim()) ?? [];
    const key = name.toLowerCase();
    if (!directives.has(key)) break;
    if (seen.has(key)) return undefined;
    seen.set(key, value);
  }
  const escape = seen.get('escape') ?? '\\';
  return escape === '\\' || escape === '`' ? escape : undefined;
}

function readLogicalLine(
  lines: readonly string[],
  start: number,
  escape: string,
): { text: string; next: number } {
  const first = lines[start]?.trimStart() ?? '';
  let { text, goesOn } = cutContinuation(first.startsWith('#') ? '' : first, escape);
  let next = start + 1;
  for (; goesOn && next < lines.length; next += 1) {
    const line = lines[next] ?? '';
    if (/^\s*(?:#|$)/.test(line)) continue;
    const more = cutContinuation(line, escape);
    text += more.text;
    goesOn = more.goesOn;
  }
  return { text: text.trim(), next };
}

/** An escaped escape character at the end of a line does not continue it. */
function cutContinuation(line: string, escape: string): { text: string; goesOn: boolean } {
  const text = withoutEnd(line, ' \t');
  const goesOn = text.endsWith(escape) && !text.endsWith(escape + escape);
  return goesOn ? { text: text.slice(0, -1), goesOn } : { text: line, goesOn };
}

/** A regular expression would look at a long row of blanks once for each of them. */
function withoutEnd(text: string, characters: string): string {
  let end = text.length;
  while (end > 0 && characters.includes(text.charAt(end - 1))) end -= 1;
  return text.slice(0, end);
}

const flag = /^--([^\s=]+)(?:=((?:"[^"]*"|'[^']*'|[^\s"'])*))?(?:\s+|$)/;

function splitInstruction(text: string): Omit<Instruction, 'line'> {
  const [name = ''] = /^\S+/.exec(text) ?? [];
  let rest = text.slice(name.length).trimStart();
  const flags = new Map<string, string>();
  for (let found = flag.exec(rest); found; found = flag.exec(rest)) {
    const [all, key = '', value = ''] = found;
    flags.set(key, value.replaceAll(/["']/g, ''));
    rest = rest.slice(all.length);
  }
  return { name: name.toUpperCase(), flags, text: rest };
}

interface Heredoc {
  readonly end: string;
  /** Tabs before its lines do not count. */
  readonly indented: boolean;
}

const withHeredocs = new Set(['ADD', 'COPY', 'RUN']);
/** A word of a shell, with its quotes; after `<<` there may be blanks. */
const word = /(?:<<\s*|"(?:\\.|[^"\\])*"|'[^']*'|\\.|[^\s"'\\])+/gs;

function heredocsOf({ name, text }: Omit<Instruction, 'line'>, line: string): Heredoc[] {
  const instruction = name === 'ONBUILD' ? splitInstruction(text) : { name, text };
  if (!withHeredocs.has(instruction.name) || !line.includes('<<')) return [];
  if (isJsonList(instruction.text)) return [];
  // A quote that nothing ends: then no word of it is one.
  if (line.replaceAll(word, '').trim() !== '') return [];
  return (line.match(word) ?? []).flatMap((found) => {
    const [, dash, end = ''] = /^\d*<<(-?)\s*([^<]+)$/.exec(found) ?? [];
    const plain = end.replaceAll(/["']/g, '').replaceAll(/\\(.)/gs, '$1');
    return plain === '' ? [] : [{ end: plain, indented: dash === '-' }];
  });
}

function endsHeredoc(line: string, { end, indented }: Heredoc): boolean {
  return (indented ? line.replace(/^\t+/, '') : line) === end;
}

function isJsonList(text: string): boolean {
  if (!text.startsWith('[')) return false;
  try {
    return Array.isArray(JSON.parse(text));
  } catch {
    return false;
  }
}
