import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createUsers, hashToken, migrate, newToken, openDatabase, type Users } from '@hephy/store';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { startPostgres, type Postgres } from '../../../test/parts/postgres.ts';
import { ensureOperator } from './operator.ts';

let postgres: Postgres;
let folder: string;
let users: Users;
const closing: (() => Promise<unknown>)[] = [];
beforeAll(async () => {
  postgres = await startPostgres();
});
const onIdleError = (error: unknown): void => expect.unreachable(String(error));
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hephy-operator-'));
  const opened = await openDatabase({ url: await postgres.createDatabase() }, { onIdleError });
  await migrate(opened.db);
  users = createUsers(opened.db);
  const directory = folder;
  closing.push(() => opened.close());
  closing.push(() => rm(directory, { recursive: true, force: true }));
});
afterAll(async () => {
  for (const close of closing) await close();
  await postgres.stop();
});

const file = (): string => join(folder, 'operator-token');
const now = (): Date => new Date('2026-01-01T00:00:00Z');
let ids = 0;
const ensure = (): Promise<string> =>
  ensureOperator({
    settings: { dataDirectory: folder },
    users,
    now,
    newId: () => `id-${(ids += 1)}`,
    log: { warn: () => expect.unreachable() },
  });
const userOf = async (token: string) => users.authenticate(hashToken(token), now());
const operator = { userName: 'operator', operator: true };
const tokenCount = async (): Promise<number> => {
  const user = await users.findUser('operator');
  return (await users.listTokens(user?.id ?? '')).length;
};

test('the first start makes a token that only the owner of its file reads, and later ones keep it', async () => {
  const token = await ensure();
  expect(await ensure()).toBe(token);
  expect(await userOf(token)).toMatchObject(operator);
  expect(await readFile(file(), 'utf8')).toBe(`${token}\n`);
  expect((await stat(file())).mode & 0o777).toBe(0o600);
  expect(await tokenCount()).toBe(1);
});

test('a token that was put there is the operator’s, whoever of several starts first', async () => {
  const token = newToken(randomBytes);
  await writeFile(file(), token);
  expect(await Promise.all([ensure(), ensure(), ensure()])).toEqual([token, token, token]);
  expect(await userOf(token)).toMatchObject(operator);
  expect(await tokenCount()).toBe(1);
});

test('what is no token of ours is refused, and recorded nowhere', async () => {
  await writeFile(file(), 'password');
  await expect(ensure()).rejects.toThrow(
    'the file operator-token has no token of ours, which is hephy_ and 43 letters or digits',
  );
  expect(await tokenCount()).toBe(0);
});

test('a token that was revoked stays so, and a new one is made', async () => {
  const revoked = await ensure();
  const user = await users.findUser('operator');
  const [token] = await users.listTokens(user?.id ?? '');
  await users.revokeToken({ userId: user?.id ?? '', tokenId: token?.id ?? '', at: now() });
  const made = await ensure();
  expect(made).not.toBe(revoked);
  expect(await userOf(revoked)).toBeUndefined();
  expect(await userOf(made)).toMatchObject(operator);
});
