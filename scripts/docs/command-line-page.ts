import { heading } from './markdown.ts';
import type { CommandHelp } from './read-help.ts';

/** `docs/cli.md`: what each command says of itself. */
export function commandLinePage(commands: readonly CommandHelp[]): string {
  return [
    ...heading('The command line', 'what `bin/hephy` prints'),
    '`hephy` is `bin/hephy` of this repository: put `bin` on your PATH, or link to it from there.',
    'It talks to the server that the newest `hephy up` or `hephy login` has named.',
    ...commands.flatMap(({ words, text }) => [
      '',
      `## ${['hephy', ...words].join(' ')}`,
      '',
      '```text',
      text,
      '```',
    ]),
    '',
  ].join('\n');
}
