/**
 * git's packet lines (gitprotocol-common): four hex digits that count themselves and the bytes after
 * them; `0000` is a flush, which ends a section. The longest packet has 65520 bytes.
 */
export const maxPktLineBytes = 65_520;
export const flushPkt: Buffer = Buffer.from('0000');

export type Packet = { kind: 'flush' } | { kind: 'data'; bytes: Buffer };

/** One packet line. Throws for more than 65516 bytes: the caller splits. */
export function encodePktLine(payload: string | Uint8Array): Buffer {
  const bytes = typeof payload === 'string' ? Buffer.from(payload, 'utf8') : payload;
  const length = bytes.length + 4;
  if (length > maxPktLineBytes) throw new Error(`a packet line cannot hold ${bytes.length} bytes`);
  return Buffer.concat([Buffer.from(length.toString(16).padStart(4, '0')), bytes]);
}

export type PktLineStep =
  { kind: 'packet'; packet: Packet } | { kind: 'more' } | { kind: 'malformed'; message: string };

export interface PktLineReader {
  push(chunk: Uint8Array): void;
  /** The next complete packet; `more` when it has not arrived yet; `malformed` for good. */
  next(): PktLineStep;
  /** How many bytes the packets given out so far had on the wire. */
  readonly consumedBytes: number;
}

/** Reads packets from chunks cut anywhere. Keeps at most one packet and what was pushed after it. */
export function createPktLineReader(): PktLineReader {
  let rest: Buffer = Buffer.alloc(0);
  let pending: Buffer[] = [];
  let pendingBytes = 0;
  let consumedBytes = 0;
  function gather(bytes: number): void {
    if (rest.length >= bytes || rest.length + pendingBytes < bytes) return;
    rest = Buffer.concat([rest, ...pending]);
    pending = [];
    pendingBytes = 0;
  }

  return {
    push(chunk) {
      pending.push(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength));
      pendingBytes += chunk.byteLength;
    },
    next() {
      gather(4);
      gather(packetLength(rest) ?? 4);
      const step = readPacket(rest);
      if (step.kind === 'packet') {
        const bytes = step.packet.kind === 'flush' ? 4 : step.packet.bytes.length + 4;
        consumedBytes += bytes;
        rest = rest.subarray(bytes);
      }
      return step;
    },
    get consumedBytes() {
      return consumedBytes;
    },
  };
}

function readPacket(buffer: Buffer): PktLineStep {
  if (buffer.length < 4) return { kind: 'more' };
  const length = packetLength(buffer);
  if (length === undefined) {
    return { kind: 'malformed', message: 'a packet does not start with four hex digits' };
  }
  if (length === 0) return { kind: 'packet', packet: { kind: 'flush' } };
  if (length < 4 || length > maxPktLineBytes) {
    return { kind: 'malformed', message: `a packet says that it has ${length} bytes` };
  }
  if (buffer.length < length) return { kind: 'more' };
  return { kind: 'packet', packet: { kind: 'data', bytes: buffer.subarray(4, length) } };
}

function packetLength(buffer: Buffer): number | undefined {
  const digits = buffer.toString('latin1', 0, 4);
  return /^[0-9a-fA-F]{4}$/.test(digits) ? Number.parseInt(digits, 16) : undefined;
}
