import type { IncomingMessage } from 'node:http';
import { createReceiveRequestReader } from './receive-commands.ts';
import type { ReceiveRequest } from './receive-commands.ts';

export type ReceiveRequestRead =
  | { kind: 'done'; request: ReceiveRequest }
  | { kind: 'refused'; status: 400 | 408; message: string }
  | { kind: 'gone' };

/**
 * Reads the commands of a push off its body and puts them back, so that git reads the body from its
 * start; its shallow lines are left out (see shallow.ts). The first four bytes go back as a chunk of their own: node-git-server searches the first chunk
 * for commands, with expressions that take quadratic time on some and mistake `00` in a branch for an
 * end; in four bytes it finds nothing.
 */
export async function readReceiveRequest(
  body: IncomingMessage,
  { timeoutMs }: { timeoutMs: number },
): Promise<ReceiveRequestRead> {
  const reader = createReceiveRequestReader();
  const chunks: Buffer[] = [];
  const result = Promise.withResolvers<ReceiveRequestRead>();

  const settle = (read: ReceiveRequestRead): void => {
    clearTimeout(timer);
    body.off('readable', onReadable).off('end', onEnd).off('close', onClose);
    // At once: a body that has been read to its end would be over by the next tick.
    if (read.kind === 'done') {
      putBack(body, Buffer.concat(chunks).subarray(read.request.shallowBytes));
    }
    result.resolve(read);
  };
  const onReadable = (): void => {
    for (let chunk = read(body); chunk !== undefined; chunk = read(body)) {
      chunks.push(chunk);
      const step = reader.push(chunk);
      if (step.kind === 'refused') return settle({ ...step, status: 400 });
      if (step.kind === 'done') return settle(step);
    }
  };
  const onEnd = (): void =>
    settle({ kind: 'refused', status: 400, message: 'the list of refs in this push ends early' });
  const onClose = (): void => settle({ kind: 'gone' });
  const message = 'the list of refs in this push did not arrive in time; push again';
  const timer = setTimeout(() => settle({ kind: 'refused', status: 408, message }), timeoutMs);
  body.on('readable', onReadable).on('end', onEnd).on('close', onClose);
  return result.promise;
}

function read(body: IncomingMessage): Buffer | undefined {
  return (body.read() as Buffer | null) ?? undefined;
}

function putBack(body: IncomingMessage, bytes: Buffer): void {
  body.unshift(bytes.subarray(4));
  body.unshift(bytes.subarray(0, 4));
}
