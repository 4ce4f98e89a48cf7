import { text } from 'node:stream/consumers';
import { readContexts } from '../client/contexts.ts';

/**
 * Git's credential helper: answers `get` for servers that this user knows; `store` and `erase` change nothing.
 * Source: gitcredentials(7), git-credential(1) "INPUT/OUTPUT FORMAT".
 */
export async function credential(
  operation: string,
  {
    file,
    stdin,
    stdout,
  }: { file: string; stdin: NodeJS.ReadableStream; stdout: NodeJS.WritableStream },
): Promise<void> {
  if (operation !== 'get') return;
  const asked = parseAttributes(await text(stdin));
  const { servers } = await readContexts(file);
  const server = servers.find(({ gitUrl }) => {
    const url = new URL(gitUrl);
    return url.protocol === `${asked.get('protocol')}:` && url.host === asked.get('host');
  });
  if (server) stdout.write(`username=hephy\npassword=${server.token}\n`);
}

function parseAttributes(input: string): Map<string, string> {
  return new Map(
    input
      .split('\n')
      .filter((line) => line.includes('='))
      .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
  );
}
