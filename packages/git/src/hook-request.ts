import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ActiveReceive } from './active-receives.ts';
import type { ReceiveCommand } from './receive-commands.ts';

const maxBodyBytes = 2 * 1024 * 1024;

export interface HookExchange<Context> {
  receive: ActiveReceive<Context>;
  request: IncomingMessage;
  response: ServerResponse;
}

export async function readText(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += (chunk as Buffer).length;
    if (bytes > maxBodyBytes) throw new Error('a hook sent too much');
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** Lines of `<old> <new> <ref>`, as both hooks get them from git. */
export function parseCommands(text: string): ReceiveCommand[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const parts = /^([0-9a-f]{40}) ([0-9a-f]{40}) (refs\/\S+)$/.exec(line);
      if (!parts?.[1] || !parts[2] || !parts[3]) throw new Error('a hook sent a malformed line');
      return { oldSha: parts[1], newSha: parts[2], ref: parts[3] };
    });
}
