import { createInterface } from 'node:readline/promises';
import { z } from 'zod';
import { createApiClient } from '../client/api-client.ts';
import { saveServer, UserError } from '../client/contexts.ts';

const WhoAmI = z.object({ name: z.string(), gitUrl: z.url() });

/** Learns a server: reads the token from standard input, proves it, and keeps it in the user's own file. */
export async function login(
  apiUrl: string,
  { file, stdin, stdout }: { file: string; stdin: NodeJS.ReadStream; stdout: NodeJS.WriteStream },
): Promise<void> {
  if (!URL.canParse(apiUrl))
    throw new UserError(`${apiUrl} is not a URL; name the API, such as https://hephy.example.com`);
  if (stdin.isTTY) stdout.write('token: ');
  const lines = createInterface({ input: stdin });
  const line = await lines[Symbol.asyncIterator]().next();
  lines.close();
  const token = line.done ? '' : line.value.trim();
  if (!token)
    throw new UserError('no token was given; an operator makes one with the API: POST /v1/tokens');
  const { name, gitUrl } = await createApiClient({ apiUrl, token }).call(WhoAmI, 'GET', {
    path: '/v1/user',
  });
  await saveServer(file, { apiUrl, gitUrl, token });
  stdout.write(`Logged in to ${apiUrl} as ${name}.\n`);
}
