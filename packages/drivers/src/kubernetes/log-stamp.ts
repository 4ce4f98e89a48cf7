/**
 * The time at the start of a log line, as `timestamps=true` puts it there: RFC 3339 with up to nine digits of a second, in
 * the node's own time zone, and a space. Read as nanoseconds after a base, which a double holds exactly for 104 days.
 */

/** `2026-11-22T09:21:`, which is the same for most lines that follow each other. */
const minuteLength = 17;

const zero = 0x30;
const dot = 0x2e;
const space = 0x20;
const upperZ = 0x5a;
const plus = 0x2b;
const minus = 0x2d;

export class StampReader {
  readonly #baseSeconds: number;
  readonly #minute = Buffer.alloc(minuteLength);
  #minuteSeconds = 0;
  /** Where the text begins in the line that was read last. */
  textStart = 0;

  constructor(baseMs: number) {
    this.#baseSeconds = Math.floor(baseMs / 1000);
  }

  /** Nanoseconds after the base of the line that starts at `start`; undefined if it starts with no time. */
  read(bytes: Buffer, start: number, end: number): number | undefined {
    if (end - start < minuteLength + 4 || !this.#readMinute(bytes, start)) return undefined;
    let at = start + minuteLength;
    const second = digit(bytes[at]) * 10 + digit(bytes[at + 1]);
    at += 2;
    let nanoseconds = 0;
    if (bytes[at] === dot) {
      let unit = 1e9;
      for (at += 1; at < end && isDigit(bytes[at]); at += 1) {
        unit /= 10;
        if (unit >= 1) nanoseconds += digit(bytes[at]) * unit;
      }
    }
    const zone = this.#readZone(bytes, at, end);
    if (zone === undefined || !(second <= 60)) return undefined;
    return (this.#minuteSeconds + second - zone - this.#baseSeconds) * 1e9 + nanoseconds;
  }

  #readMinute(bytes: Buffer, start: number): boolean {
    let at = minuteLength - 1;
    while (at >= 0 && bytes[start + at] === this.#minute[at]) at -= 1;
    if (at < 0) return true;
    const text = bytes.toString('latin1', start, start + minuteLength);
    const milliseconds = /^\d{4}-\d\d-\d\dT\d\d:\d\d:$/.test(text) ? Date.parse(`${text}00Z`) : NaN;
    if (Number.isNaN(milliseconds)) return false;
    bytes.copy(this.#minute, 0, start, start + minuteLength);
    this.#minuteSeconds = milliseconds / 1000;
    return true;
  }

  /** Seconds east of Greenwich. */
  #readZone(bytes: Buffer, at: number, end: number): number | undefined {
    const sign = bytes[at];
    if (sign === upperZ && at + 1 < end && bytes[at + 1] === space) {
      this.textStart = at + 2;
      return 0;
    }
    if ((sign !== plus && sign !== minus) || at + 6 >= end || bytes[at + 6] !== space) {
      return undefined;
    }
    this.textStart = at + 7;
    const hours = digit(bytes[at + 1]) * 10 + digit(bytes[at + 2]);
    const minutes = digit(bytes[at + 4]) * 10 + digit(bytes[at + 5]);
    const seconds = (hours * 60 + minutes) * 60;
    if (Number.isNaN(seconds)) return undefined;
    return sign === plus ? seconds : -seconds;
  }
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= zero && byte <= zero + 9;
}

/** NaN, which spreads, for what is no digit. */
function digit(byte: number | undefined): number {
  return byte !== undefined && isDigit(byte) ? byte - zero : NaN;
}
