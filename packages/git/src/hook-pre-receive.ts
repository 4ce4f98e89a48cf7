import type { IncomingMessage } from 'node:http';
import { dirname, join, resolve } from 'node:path';
import type { HookHandlers } from './hook-handlers.ts';
import { parseCommands, readText } from './hook-request.ts';
import type { HookExchange } from './hook-request.ts';
import type { Quarantine } from './objects.ts';

export async function answerPreReceive<Context>(
  { receive, request, response }: HookExchange<Context>,
  handlers: HookHandlers<Context>,
): Promise<void> {
  const commands = parseCommands(await readText(request));
  const answer = await handlers.preReceive({
    appId: receive.appId,
    context: receive.context,
    commands,
    pushOptions: receive.pushOptions,
    quarantine: quarantineOf(request, receive.repositoryPath),
    signal: receive.signal,
  });
  const lines = answer.accept ? (answer.notes ?? []) : answer.lines;
  response.writeHead(answer.accept ? 200 : 403, { 'content-type': 'text/plain; charset=utf-8' });
  response.end(lines.map((line) => `${line}\n`).join(''));
}

/** git makes one folder among the repository's objects; anything else is not a quarantine. */
function quarantineOf(request: IncomingMessage, repositoryPath: string): Quarantine | undefined {
  const named = request.headers['hephy-quarantine'];
  if (typeof named !== 'string' || named === '') return undefined;
  const alternateObjectDirectories = join(repositoryPath, 'objects');
  const objectDirectory = resolve(repositoryPath, named);
  if (dirname(objectDirectory) !== alternateObjectDirectories) {
    throw new Error('a quarantine lies outside of its repository');
  }
  return { objectDirectory, alternateObjectDirectories };
}
