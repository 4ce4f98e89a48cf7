import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { systemRefusal } from './system-refusal.ts';

const failure = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => undefined,
    (error: unknown) => error,
  );

test('a port that is taken is named with the variable that chooses another one', async () => {
  const first = createServer().listen(0, '127.0.0.1');
  const second = createServer();
  try {
    await once(first, 'listening');
    const { port } = first.address() as AddressInfo;
    const [error] = (await once(second.listen(port, '127.0.0.1'), 'error')) as unknown[];
    const listen = {
      git: { host: '127.0.0.1', port: 0 },
      api: { host: '127.0.0.1', port },
    };
    expect(systemRefusal(error, listen)).toBe(
      `cannot listen on 127.0.0.1:${port}: something else listens there; set HEPHY_LISTEN_API to another host:port`,
    );
  } finally {
    first.close();
  }
});

test('a data folder that cannot be one is named, also from below', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'hephy-refusal-'));
  try {
    const file = join(folder, 'file');
    await writeFile(file, '');
    const error = await failure(mkdir(file, { recursive: true }));
    const sentence = `cannot use ${file}: it is a file, not a folder; choose another data folder with --data or HEPHY_DATA`;
    expect(systemRefusal(error)).toBe(sentence);
    expect(systemRefusal(new Error('preparing', { cause: error }))).toBe(sentence);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('a bug is not explained away', () => {
  expect(systemRefusal(new TypeError('x is not a function'))).toBeUndefined();
});
