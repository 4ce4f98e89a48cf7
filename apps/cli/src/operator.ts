import { chmod, readFile, writeFile } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { hashToken, newToken } from '@hephy/store';
import type { Connections } from './roles/connect.ts';

const operatorName = 'operator';

/** The first user's token: made once, kept in a file of the data folder that only its owner can read. */
export async function ensureOperator({
  settings,
  users,
  now,
  newId,
}: Connections): Promise<string> {
  const file = join(settings.dataDirectory, 'operator-token');
  const kept = await readToken(file);
  if (kept && (await users.authenticate(hashToken(kept), now()))) return kept;
  const createdAt = now();
  const user = { id: newId(), name: operatorName, operator: true, createdAt };
  await users.createUser(user);
  const known = await users.findUser(operatorName);
  if (!known) throw new Error('the operator could not be recorded');
  const token = newToken(randomBytes);
  await writeFile(file, `${token}\n`, { mode: 0o600 });
  await chmod(file, 0o600);
  await users.createToken({
    id: newId(),
    userId: known.id,
    name: 'made by hephy up',
    hash: hashToken(token),
    createdAt,
  });
  return token;
}

async function readToken(file: string): Promise<string | undefined> {
  try {
    return (await readFile(file, 'utf8')).trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
