import { encodePktLine, flushPkt, maxPktLineBytes } from './pkt-line.ts';

const longestReason = 300;

/**
 * The answer of a receive-pack that refuses every ref: `lines` appear as `remote: …`, and each ref as
 * `! [remote rejected] … (reason)`; `git push` ends with 1. What the client cannot show (it named no
 * side-band-64k, no report-status) is left out. Source: gitprotocol-pack, "Report Status".
 */
export function refusalReport(input: {
  capabilities: readonly string[];
  lines: readonly string[];
  refusals: readonly { ref: string; reason: string }[];
}): Buffer {
  const sideband = input.capabilities.includes('side-band-64k');
  const report = wantsReport(input.capabilities)
    ? Buffer.concat([
        encodePktLine('unpack ok\n'),
        ...input.refusals.map(({ ref, reason }) =>
          encodePktLine(`ng ${ref} ${oneLineReason(reason)}\n`),
        ),
        flushPkt,
      ])
    : Buffer.alloc(0);
  if (!sideband) return report;
  const text = input.lines.map((line) => `${line}\n`).join('');
  return Buffer.concat([inBand(2, Buffer.from(text)), inBand(1, report), flushPkt]);
}

/** A reason as git prints it in brackets: one line, without control characters, at most 300 characters. */
export function oneLineReason(reason: string): string {
  const line = reason.replaceAll(/[\u0000-\u001f\u007f]+/g, ' ').trim();
  return line.length > longestReason ? `${line.slice(0, longestReason - 1)}…` : line || 'refused';
}

function wantsReport(capabilities: readonly string[]): boolean {
  return capabilities.includes('report-status') || capabilities.includes('report-status-v2');
}

function inBand(band: 1 | 2, bytes: Buffer): Buffer {
  const longest = maxPktLineBytes - 5;
  const packets: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += longest) {
    packets.push(
      encodePktLine(Buffer.concat([Buffer.from([band]), bytes.subarray(at, at + longest)])),
    );
  }
  return Buffer.concat(packets);
}
