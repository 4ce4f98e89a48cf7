import { Readable } from 'node:stream';
import { expect, test } from 'vitest';
import { readSourceFile } from './read-source-file.ts';
import { tarOf, type Member } from './tar-for-test.ts';
import { UnpackError } from './unpack-error.ts';

const read = (members: readonly Member[], path = 'Dockerfile', pieceBytes = 65_536) => {
  const tarball = tarOf(...members);
  const pieces = Array.from({ length: Math.ceil(tarball.length / pieceBytes) }, (_, at) =>
    tarball.subarray(at * pieceBytes, (at + 1) * pieceBytes),
  );
  return readSourceFile(Readable.from(pieces), { path, maxBytes: 1000 });
};
const file = (name: string, content = 'FROM a\n'): Member => ({ name, content });

test.each([1, 100, 65_536])(
  'a file is found among others, in pieces of %i bytes',
  async (bytes) => {
    const members = [file('a', 'x'.repeat(3000)), file('Dockerfile'), file('z')];
    expect(String(await read(members, 'Dockerfile', bytes))).toBe('FROM a\n');
  },
);

test.each([
  ['./deploy/Dockerfile', 'deploy/Dockerfile'],
  ['deploy/Dockerfile', './deploy//Dockerfile'],
  [Buffer.from('ä/Dockerfile').toString('latin1'), 'ä/Dockerfile'],
])('%j is what %j asks for', async (name, path) => {
  expect(String(await read([file(name)], path))).toBe('FROM a\n');
});

test('an empty file is one', async () => {
  expect(await read([file('Dockerfile', '')])).toHaveLength(0);
});

test.each<[string, Member[]]>([
  ['one that is not there', [file('Dockerfile.old'), file('deploy/Dockerfile')]],
  ['a link', [{ name: 'Dockerfile', type: '2', target: 'other' }]],
  ['a directory', [{ name: 'Dockerfile/', type: '5' }]],
  ['one that is too large', [file('Dockerfile', 'x'.repeat(1001))]],
])('%s is nothing', async (_, members) => {
  expect(await read(members)).toBeUndefined();
});

test('what comes after the file is not read', async () => {
  let isOver = false;
  async function* tarball() {
    yield tarOf(file('Dockerfile')).subarray(0, 1024);
    await Promise.resolve();
    isOver = true;
    yield Buffer.from('no tarball at all');
  }
  expect(String(await readSourceFile(tarball(), { path: 'Dockerfile', maxBytes: 1000 }))).toBe(
    'FROM a\n',
  );
  expect(isOver).toBe(false);
});

test('what is no tarball of a commit is refused', async () => {
  const reading = readSourceFile(Readable.from([Buffer.alloc(2048, 'x')]), {
    path: 'Dockerfile',
    maxBytes: 1000,
  });
  await expect(reading).rejects.toThrow(UnpackError);
});
