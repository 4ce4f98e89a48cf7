import { expect, test } from 'vitest';
import { readInstructions } from './read-instructions.ts';

const shown = (dockerfile: string) =>
  readInstructions(dockerfile)?.map(({ line, name, text }) => `${line} ${name} ${text}`.trim());

test.each<[string, string, string[]]>([
  ['one instruction a line', 'FROM a\nRUN b\n', ['1 FROM a', '2 RUN b']],
  ['names in any case', 'from a\nFrOm b', ['1 FROM a', '2 FROM b']],
  ['a continued line', 'FROM \\\n  a \\\n AS b\nRUN c', ['1 FROM a  AS b', '4 RUN c']],
  ['comments and empty lines in between', 'FROM \\\n# no\n\n  a\nRUN b', ['1 FROM a', '5 RUN b']],
  ['an escaped end of a line', 'RUN a \\\\\nFROM b', ['1 RUN a \\\\', '2 FROM b']],
  ['line ends of Windows', 'FROM a\r\nRUN b \\\r\n c\r\n', ['1 FROM a', '2 RUN b  c']],
  ['a byte order mark', '\uFEFFFROM a', ['1 FROM a']],
  [
    'another escape character',
    '# escape=`\nFROM `\n a\nRUN \\\nRUN b',
    ['2 FROM a', '4 RUN \\', '5 RUN b'],
  ],
  ['an escape that comes too late', '# a\n# escape=`\nFROM a `\nRUN b', ['3 FROM a `', '4 RUN b']],
  [
    'a heredoc, which holds no instructions',
    'RUN <<EOF\nFROM b\nEOF\nFROM c',
    ['1 RUN <<EOF', '4 FROM c'],
  ],
  ['an indented heredoc', 'RUN <<-E\nFROM b\n\tE\nFROM c', ['1 RUN <<-E', '4 FROM c']],
  [
    'two heredocs',
    'COPY <<A <<"B" /x/\nFROM b\nA\nFROM c\nB\nFROM d',
    ['1 COPY <<A <<"B" /x/', '6 FROM d'],
  ],
  [
    'a heredoc of a trigger',
    'ONBUILD RUN <<E\nFROM b\nE\nFROM c',
    ['1 ONBUILD RUN <<E', '4 FROM c'],
  ],
  ['no heredoc in quotes', 'RUN echo "<<E"\nFROM c', ['1 RUN echo "<<E"', '2 FROM c']],
  ['no heredoc in JSON', 'RUN ["a", "<<E"]\nFROM c', ['1 RUN ["a", "<<E"]', '2 FROM c']],
  [
    'no heredoc beside an open quote',
    "RUN echo it's <<E\nFROM c",
    ["1 RUN echo it's <<E", '2 FROM c'],
  ],
  ['no heredoc of other instructions', 'ENV A=<<E\nFROM c', ['1 ENV A=<<E', '2 FROM c']],
])('%s', (_, dockerfile, instructions) => {
  expect(shown(dockerfile)).toEqual(instructions);
});

test('flags stand before the arguments, with or without quotes', () => {
  const [from] = readInstructions('FROM --platform="linux/arm64" --x a --y') ?? [];
  expect(from?.text).toBe('a --y');
  expect([...(from?.flags ?? [])]).toEqual([
    ['platform', 'linux/arm64'],
    ['x', ''],
  ]);
});

test.each([
  ['a heredoc without its end', 'RUN <<EOF\nFROM b'],
  ['a directive twice', '# escape=`\n# escape=\\\nFROM a'],
  ['an escape that is none', '# escape=x\nFROM a'],
])('%s cannot be read', (_, dockerfile) => {
  expect(readInstructions(dockerfile)).toBeUndefined();
});

test.each([
  ['blanks', `FROM a${' '.repeat(1_000_000)}b`],
  ['a directive of blanks', `# escape=${' '.repeat(1_000_000)}b`],
  ['returns', `FROM a${'\r'.repeat(1_000_000)}b`],
  ['angles', `RUN ${'<'.repeat(1_000_000)}`],
  ['quotes', `RUN <<${'"'.repeat(999_999)}`],
  ['escapes', `RUN <<"${'\\"'.repeat(400_000)}`],
  ['flags', `FROM --a=${'"\'"'.repeat(300_000)}`],
  ['heredocs', 'RUN <<E\nE\n'.repeat(100_000)],
  ['lines that go on', 'RUN \\\n'.repeat(200_000)],
])('a million characters of %s are read at once', (_, dockerfile) => {
  const begunMs = performance.now();
  readInstructions(dockerfile);
  expect(performance.now() - begunMs).toBeLessThan(5_000);
});
