/** The servers that this user's `hephy` knows, with a token for each: one file of the user's, readable by nobody else. */
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { z } from 'zod';

const Server = z.object({ apiUrl: z.url(), gitUrl: z.url(), token: z.string().min(1) });
export type Server = z.infer<typeof Server>;

const Contexts = z.object({
  /** The `apiUrl` that commands talk to. */
  current: z.string().nullable(),
  servers: z.array(Server),
});
type Contexts = z.infer<typeof Contexts>;

/** `HEPHY_CONFIG`, else `hephy/config.json` where the user's programs keep theirs. Source: XDG Base Directory. */
export function contextsFile(environment: NodeJS.ProcessEnv): string {
  if (environment['HEPHY_CONFIG']) return environment['HEPHY_CONFIG'];
  const home = environment['XDG_CONFIG_HOME'] || join(homedir(), '.config');
  return join(home, 'hephy', 'config.json');
}

export async function readContexts(file: string): Promise<Contexts> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw new UserError(`${file} cannot be read (${error.code}); HEPHY_CONFIG may name another`, {
      cause: error,
    });
  });
  if (text === undefined) return { current: null, servers: [] };
  try {
    return Contexts.parse(JSON.parse(text));
  } catch (cause) {
    throw new UserError(
      `${file} is not a list of servers; move it away, then start the service or run \`hephy login URL\` again`,
      { cause },
    );
  }
}

/** Adds or replaces the server, and makes it the current one. */
export async function saveServer(file: string, server: Server): Promise<void> {
  const { servers } = await readContexts(file);
  const others = servers.filter(({ apiUrl }) => apiUrl !== server.apiUrl);
  const contexts: Contexts = { current: server.apiUrl, servers: [...others, server] };
  try {
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    await writeFile(`${file}.new`, `${JSON.stringify(contexts, null, 2)}\n`, { mode: 0o600 });
    await rename(`${file}.new`, file);
  } catch (cause) {
    throw new UserError(
      `${file}, which keeps the server's token for this user, cannot be written; set HEPHY_CONFIG to a file that can`,
      { cause },
    );
  }
}

export async function currentServer(file: string): Promise<Server> {
  const { current, servers } = await readContexts(file);
  const server = servers.find(({ apiUrl }) => apiUrl === current);
  if (!server) {
    throw new UserError(
      'no server is known here; start one with `npm start`, or name one with `hephy login URL`',
    );
  }
  return server;
}

/** What the user did or can mend: shown as one sentence, without a stack. */
export class UserError extends Error {}
