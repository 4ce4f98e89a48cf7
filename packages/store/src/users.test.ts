import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { at } from './conformance/ground.ts';
import type { OpenDatabase } from './open-database.ts';
import { usePostgres } from './open-for-test.ts';
import { hashToken, newToken } from './tokens.ts';
import { createUsers, type Users } from './users.ts';

const postgres = usePostgres();
let opened: OpenDatabase;
let users: Users;
const ada = { id: 'u-ada', name: 'ada', operator: true, createdAt: at(0) };
beforeAll(async () => {
  opened = await postgres.openMigrated();
  users = createUsers(opened.db);
  await users.createUser(ada);
});
afterAll(async () => opened.close());

let tokens = 0;
const makeToken = async (facts: { expiresAt?: Date } = {}) => {
  const hash = hashToken(newToken(randomBytes));
  const id = `t-${(tokens += 1)}`;
  await users.createToken({ id, userId: ada.id, name: id, hash, createdAt: at(0), ...facts });
  return { id, hash };
};
const lastUsed = async (id: string) =>
  (await users.listTokens(ada.id)).find((token) => token.id === id)?.lastUsedAt;

describe('users and tokens', () => {
  it('have a name of their own', async () => {
    expect(await users.findUser('ada')).toEqual(ada);
    expect(await users.createUser({ ...ada, id: 'u-2' })).toEqual({ ok: false, why: 'NameTaken' });
    expect(await users.listUsers()).toEqual([ada]);
  });

  it('makes tokens of 256 random bits that are safe in a header', () => {
    expect(newToken(() => new Uint8Array(32).fill(255))).toBe(`hephy_${'_'.repeat(42)}8`);
    expect(newToken(randomBytes)).toMatch(/^hephy_[A-Za-z0-9_-]{43}$/);
  });

  it('knows a token by its hash', async () => {
    const { hash } = await makeToken();
    const who = { userId: 'u-ada', userName: 'ada', operator: true };
    expect(await users.authenticate(hash, at(1))).toEqual(who);
    expect(await users.authenticate(hashToken('hephy_guess'), at(1))).toBeUndefined();
  });

  it('refuses a token once it is revoked or expired', async () => {
    const revoked = await makeToken();
    expect(await users.revokeToken({ userId: 'u-2', tokenId: revoked.id, at: at(1) })).toBe(false);
    expect(await users.revokeToken({ userId: ada.id, tokenId: revoked.id, at: at(1) })).toBe(true);
    expect(await users.authenticate(revoked.hash, at(2))).toBeUndefined();
    const expiring = await makeToken({ expiresAt: at(1000) });
    expect(await users.authenticate(expiring.hash, at(999))).toBeDefined();
    expect(await users.authenticate(expiring.hash, at(1000))).toBeUndefined();
  });

  it('notes the last use, at most once a minute', async () => {
    const { id, hash } = await makeToken();
    await users.authenticate(hash, at(1000));
    await users.authenticate(hash, at(60_999));
    expect(await lastUsed(id)).toEqual(at(1000));
    await users.authenticate(hash, at(61_000));
    expect(await lastUsed(id)).toEqual(at(61_000));
  });
});
