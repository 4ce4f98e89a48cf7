import { notUnderstood } from './kube-failure.ts';

/** The whole lines of a stream, without their ends. What is cut off in the middle of a line is left out. */
export async function* readLines(
  bytes: AsyncIterable<Buffer>,
  { maxBytes, what }: { maxBytes: number; what: string },
): AsyncGenerator<string> {
  let parts: Buffer[] = [];
  let sizeBytes = 0;
  for await (const part of bytes) {
    let from = 0;
    for (let end = part.indexOf(10); end >= 0; end = part.indexOf(10, from)) {
      parts.push(part.subarray(from, end));
      yield Buffer.concat(parts).toString('utf8');
      parts = [];
      sizeBytes = 0;
      from = end + 1;
    }
    if (from === part.length) continue;
    parts.push(part.subarray(from));
    sizeBytes += part.length - from;
    if (sizeBytes > maxBytes)
      throw notUnderstood(what, new Error(`a line is longer than ${maxBytes} bytes`));
  }
}
