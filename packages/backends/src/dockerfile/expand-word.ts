/** The value of an argument; undefined where it is not set, null where it depends on who builds. */
export type ValueOf = (name: string) => string | undefined | null;

/**
 * A word of a Dockerfile with its quotes and variables resolved, as BuildKit's shell does it: `$X`, `${X}`, and `-`, `+`
 * and `?` with a word, each with or without a colon. Undefined: it holds another modifier, or cannot be resolved.
 * Source: moby/buildkit 0.30, frontend/dockerfile/shell.
 */
export function expandWord(text: string, valueOf: ValueOf): string | undefined {
  const reader = new WordReader(text, valueOf);
  try {
    return reader.readUntil(undefined);
  } catch (error) {
    if (error instanceof Unclear) return undefined;
    throw error;
  }
}

class Unclear extends Error {}

/** Of the name of an image, with room; one argument can hold another many times, and so on. */
const longestWord = 4096;

class WordReader {
  #at = 0;
  readonly #text: string;
  readonly #valueOf: ValueOf;

  constructor(text: string, valueOf: ValueOf) {
    this.#text = text;
    this.#valueOf = valueOf;
  }

  /** Reads past `end`; without one, to the end of the text. */
  readUntil(end: '}' | '"' | undefined): string {
    let result = '';
    while (this.#at < this.#text.length) {
      if (result.length > longestWord) throw new Unclear();
      const character = this.#next();
      if (character === end) return result;
      if (character === '$') result += this.#variable();
      else if (character === '\\') result += this.#escaped(end === '"');
      else if (end !== '"' && character === '"') result += this.readUntil('"');
      else if (end !== '"' && character === "'") result += this.#singleQuoted();
      else result += character;
    }
    if (end !== undefined || result.length > longestWord) throw new Unclear();
    return result;
  }

  #next(): string {
    return this.#text[this.#at++] ?? '';
  }

  #escaped(isQuoted: boolean): string {
    const character = this.#next();
    return isQuoted && !/^["$\\]?$/.test(character) ? `\\${character}` : character;
  }

  #singleQuoted(): string {
    const end = this.#text.indexOf("'", this.#at);
    if (end < 0) throw new Unclear();
    const quoted = this.#text.slice(this.#at, end);
    this.#at = end + 1;
    return quoted;
  }

  #variable(): string {
    const isBraced = this.#text[this.#at] === '{';
    if (isBraced) this.#at += 1;
    const [name] = /^(?:[A-Za-z_]\w*)?/.exec(this.#text.slice(this.#at)) ?? [''];
    this.#at += name.length;
    if (!isBraced && name === '') return this.#bareDollar();
    if (!isBraced) return this.#value(name) ?? '';
    const [modifier] = /^:?[-+?]|^\}/.exec(this.#text.slice(this.#at)) ?? [];
    if (name === '' || modifier === undefined) throw new Unclear();
    this.#at += modifier.length;
    const value = this.#value(name);
    return modifier === '}' ? (value ?? '') : this.#modified(value, modifier);
  }

  /** Before a digit or a sign that is a shell's own, it is a variable that nobody sets. */
  #bareDollar(): string {
    if (/^[\d@*#?$!-]/.test(this.#text.slice(this.#at))) throw new Unclear();
    return '$';
  }

  #modified(value: string | undefined, modifier: string): string {
    const word = this.readUntil('}');
    const isSet = value !== undefined && (value !== '' || !modifier.startsWith(':'));
    if (modifier.endsWith('+')) return isSet ? word : '';
    if (isSet) return value;
    if (modifier.endsWith('-')) return word;
    throw new Unclear();
  }

  #value(name: string): string | undefined {
    const value = this.#valueOf(name);
    if (value === null) throw new Unclear();
    return value;
  }
}
