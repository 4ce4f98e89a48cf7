import { chmod, readFile, writeFile } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { hashToken, newToken } from '@hephy/store';
import { UserError } from './client/contexts.ts';
import type { Connections } from './roles/connect.ts';

const operatorName = 'operator';
const tokenShape = /^hephy_[\w-]{43}$/;

type OperatorDeps = Pick<Connections, 'users' | 'now' | 'newId'> & {
  readonly settings: Pick<Connections['settings'], 'dataDirectory'>;
  readonly log: Pick<Connections['log'], 'warn'>;
};

/**
 * The first user's token, in the file `operator-token` of the data folder. Where somebody has put one, a Secret of a
 * cluster for example, that is the one; else it is made once, in a file that only its owner can read.
 */
export async function ensureOperator(deps: OperatorDeps): Promise<string> {
  const file = join(deps.settings.dataDirectory, 'operator-token');
  const kept = await readToken(file);
  if (kept && (await isValid(kept, deps))) return kept;
  const userId = await ensureUser(deps);
  if (kept && (await adopt(kept, userId, deps))) return kept;
  const token = newToken(randomBytes);
  if (!(await keepToken(file, token))) {
    deps.log.warn({ file }, "the operator's token was revoked, and its file is not ours to write");
    return kept ?? '';
  }
  await record(token, userId, deps);
  return token;
}

async function ensureUser({ users, now, newId }: OperatorDeps): Promise<string> {
  await users.createUser({ id: newId(), name: operatorName, operator: true, createdAt: now() });
  const known = await users.findUser(operatorName);
  if (!known) throw new Error('the operator could not be recorded');
  return known.id;
}

/** False for one that was revoked: the record has it already. */
async function adopt(token: string, userId: string, deps: OperatorDeps): Promise<boolean> {
  if (!tokenShape.test(token)) {
    throw new UserError(
      'the file operator-token has no token of ours, which is hephy_ and 43 letters or digits; put one there, or remove it',
    );
  }
  try {
    await record(token, userId, deps);
    return true;
  } catch {
    // Another API that starts has recorded it; or it is there, and revoked.
    return isValid(token, deps);
  }
}

async function isValid(token: string, { users, now }: OperatorDeps): Promise<boolean> {
  return (await users.authenticate(hashToken(token), now())) !== undefined;
}

async function record(
  token: string,
  userId: string,
  { users, now, newId }: OperatorDeps,
): Promise<void> {
  const hash = hashToken(token);
  await users.createToken({
    id: newId(),
    userId,
    name: 'made by hephy up',
    hash,
    createdAt: now(),
  });
}

/** Whether the file could be written; one that comes from a Secret cannot. */
async function keepToken(file: string, token: string): Promise<boolean> {
  try {
    await writeFile(file, `${token}\n`, { mode: 0o600 });
    await chmod(file, 0o600);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EROFS') return false;
    throw error;
  }
}

async function readToken(file: string): Promise<string | undefined> {
  try {
    return (await readFile(file, 'utf8')).trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
