import { createPktLineReader } from './pkt-line.ts';
import type { PktLineReader } from './pkt-line.ts';
import { isFullRefName } from './ref-name.ts';

export const zeroSha = '0'.repeat(40);
const maxListBytes = 1024 * 1024;
const maxCommands = 1000;
const maxPushOptions = 100;

/** One line of a push: move `ref` from `oldSha` to `newSha`; forty zeros mean "does not exist". */
export interface ReceiveCommand {
  readonly oldSha: string;
  readonly newSha: string;
  readonly ref: string;
}

export interface ReceiveRequest {
  commands: ReceiveCommand[];
  capabilities: string[];
  /** Commits at which the client's history is cut off (a shallow clone). Their lines come first. */
  shallow: string[];
  /** How many bytes those lines have on the wire. */
  shallowBytes: number;
  /** How many bytes all that comes before the pack has on the wire, those lines too. */
  bytes: number;
  pushOptions: string[];
}

export type ReceiveRequestStep =
  | { kind: 'more' }
  | { kind: 'done'; request: ReceiveRequest }
  | { kind: 'refused'; message: string };

export interface ReceiveRequestReader {
  push(chunk: Uint8Array): ReceiveRequestStep;
}

/**
 * Reads what a client sends before the pack (gitprotocol-pack, "Reference Update Request"): shallow
 * lines, commands, a flush, and the push options with their flush when both sides agreed on them.
 * Refuses what git's own client never sends: malformed packets, more than 1 MiB or 1000 commands, bad
 * object names and bad ref names. An empty list is `done` with no commands (the probe of a big push).
 */
export function createReceiveRequestReader(): ReceiveRequestReader {
  const packets = createPktLineReader();
  const request: ReceiveRequest = {
    commands: [],
    capabilities: [],
    shallow: [],
    shallowBytes: 0,
    bytes: 0,
    pushOptions: [],
  };
  let section: 'commands' | 'options' | 'done' = 'commands';
  let pushedBytes = 0;

  function endSection(): void {
    const optionsFollow = section === 'commands' && request.capabilities.includes('push-options');
    section = optionsFollow && request.commands.length > 0 ? 'options' : 'done';
  }

  function takeLine(bytes: Buffer): string | undefined {
    return section === 'commands' ? readCommandLine(bytes, request) : readOption(bytes, request);
  }

  return {
    push(chunk) {
      packets.push(chunk);
      pushedBytes += chunk.byteLength;
      const step = readSections(packets, {
        endSection,
        takeLine,
        isDone: () => section === 'done',
      });
      request.bytes = packets.consumedBytes;
      if (step === 'done') return { kind: 'done', request };
      if (step !== 'more') return { kind: 'refused', message: step };
      if (pushedBytes < maxListBytes) return { kind: 'more' };
      return { kind: 'refused', message: 'the list of refs in this push is longer than 1 MiB' };
    },
  };
}

/** Parses a whole request at once; bytes after its last flush (the pack) are left alone. */
export function parseReceiveCommands(
  buffer: Uint8Array,
): { ok: true; request: ReceiveRequest } | { ok: false; message: string } {
  const step = createReceiveRequestReader().push(buffer);
  if (step.kind === 'done') return { ok: true, request: step.request };
  if (step.kind === 'refused') return { ok: false, message: step.message };
  return { ok: false, message: 'the list of refs in this push ends early' };
}

interface Sections {
  takeLine(bytes: Buffer): string | undefined;
  endSection(): void;
  isDone(): boolean;
}

/** `done`, `more`, or the sentence that refuses. */
function readSections(packets: PktLineReader, sections: Sections): string {
  while (!sections.isDone()) {
    const step = packets.next();
    if (step.kind === 'more') return 'more';
    if (step.kind === 'malformed') return `this push is malformed: ${step.message}`;
    if (packets.consumedBytes > maxListBytes) {
      return 'the list of refs in this push is longer than 1 MiB';
    }
    if (step.packet.kind === 'flush') sections.endSection();
    else {
      const refusal = sections.takeLine(step.packet.bytes);
      if (refusal !== undefined) return refusal;
    }
  }
  return 'done';
}

function readCommandLine(bytes: Buffer, request: ReceiveRequest): string | undefined {
  const text = decode(bytes);
  if (text === undefined) return 'this push is malformed: a ref name is not UTF-8';
  const shallow = /^shallow ([0-9a-f]{40})\n?$/.exec(text);
  if (shallow?.[1] !== undefined && request.commands.length === 0) {
    request.shallowBytes += bytes.length + 4;
    if (request.shallow.push(shallow[1]) > maxCommands)
      return 'this push has too many shallow lines';
    return undefined;
  }
  const [command, capabilities] = splitOnce(text, '\0');
  const parts = /^([0-9a-f]{40}) ([0-9a-f]{40}) (.+?)\n?$/su.exec(command);
  if (!parts?.[1] || !parts[2] || !parts[3]) {
    return 'this push is malformed: a line is not "<old> <new> <ref>"';
  }
  if (!isFullRefName(parts[3])) return 'this push is malformed: a ref name is not allowed';
  if (request.commands.some(({ ref }) => ref === parts[3])) {
    return `this push names ${parts[3]} twice`;
  }
  if (request.commands.length === 0 && capabilities !== undefined) {
    request.capabilities = capabilities.split(/[ \n]/).filter((name) => name !== '');
  }
  request.commands.push({ oldSha: parts[1], newSha: parts[2], ref: parts[3] });
  if (request.commands.length > maxCommands) return `this push has more than ${maxCommands} refs`;
  return otherHash(request.capabilities);
}

function otherHash(capabilities: readonly string[]): string | undefined {
  const format = capabilities.find((name) => name.startsWith('object-format='));
  if (format === undefined || format === 'object-format=sha1') return undefined;
  return 'this push uses another object format than sha1; push from a sha1 repository';
}

function readOption(bytes: Buffer, request: ReceiveRequest): string | undefined {
  const option = decode(bytes)?.replace(/\n$/, '');
  if (option === undefined || /[\u0000-\u001f\u007f]/.test(option)) {
    return 'this push is malformed: a push option has control characters';
  }
  if (request.pushOptions.push(option) <= maxPushOptions) return undefined;
  return `this push has more than ${maxPushOptions} push options`;
}

function splitOnce(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}

function decode(bytes: Buffer): string | undefined {
  const text = bytes.toString('utf8');
  return Buffer.from(text, 'utf8').equals(bytes) ? text : undefined;
}
