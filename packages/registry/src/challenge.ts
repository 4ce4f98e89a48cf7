/** One way to authenticate that a server offers in `WWW-Authenticate`. */
export interface Challenge {
  /** In small letters: `bearer`, `basic`. */
  readonly scheme: string;
  readonly parameters: ReadonlyMap<string, string>;
}

/** Reads every challenge of the header, in order. A comma parts parameters and challenges alike: a word
 *  without `=` begins the next challenge. Source: RFC 9110, section 11.6.1. */
export function parseChallenges(header: string): Challenge[] {
  const challenges: { scheme: string; parameters: Map<string, string> }[] = [];
  const part =
    /[\s,]*(?:(?<name>[\w-]+)\s*=\s*(?:"(?<quoted>(?:[^"\\]|\\.)*)"|(?<plain>[^\s,"]*))|(?<scheme>[\w-]+))/y;
  for (let match = part.exec(header); match; match = part.exec(header)) {
    const { name, quoted, plain, scheme } = match.groups ?? {};
    if (scheme) challenges.push({ scheme: scheme.toLowerCase(), parameters: new Map() });
    else if (name) {
      const value = quoted?.replaceAll(/\\(.)/g, '$1') ?? plain ?? '';
      challenges.at(-1)?.parameters.set(name.toLowerCase(), value);
    }
  }
  return challenges;
}
