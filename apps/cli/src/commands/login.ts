import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { z } from 'zod';
import { createApiClient } from '../client/api-client.ts';
import { saveServer, UserError } from '../client/contexts.ts';

const WhoAmI = z.object({ name: z.string(), gitUrl: z.url() });

/** Learns a server: reads the token from standard input, proves it, and keeps it in the user's own file. */
export async function login(
  url: string,
  { file, stdin, stdout }: { file: string; stdin: NodeJS.ReadStream; stdout: NodeJS.WriteStream },
): Promise<void> {
  const { protocol, origin: apiUrl } = URL.canParse(url) ? new URL(url) : {};
  if (!apiUrl || !protocol?.startsWith('http'))
    throw new UserError(`${url} is not a URL; name the API, such as https://hephy.example.com`);
  const token = await readToken(stdin, stdout);
  if (!/^[!-~]*$/.test(token))
    throw new UserError('a token has no blanks and no letters beyond ASCII; copy it once more');
  if (!token)
    throw new UserError('no token was given; an operator makes one with the API: POST /v1/tokens');
  const { name, gitUrl } = await createApiClient({ apiUrl, token }).call(WhoAmI, 'GET', {
    path: '/v1/user',
  });
  await saveServer(file, { apiUrl, gitUrl, token });
  stdout.write(`Logged in to ${apiUrl} as ${name}.\n`);
}

/** On a terminal it asks, and shows nothing of what is typed. */
async function readToken(stdin: NodeJS.ReadStream, stdout: NodeJS.WriteStream): Promise<string> {
  const terminal = stdin.isTTY;
  if (terminal) stdout.write('token: ');
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: stdin, output: silent, terminal });
  const line = await lines[Symbol.asyncIterator]().next();
  lines.close();
  if (terminal) stdout.write('\n');
  return line.done ? '' : line.value.trim();
}
