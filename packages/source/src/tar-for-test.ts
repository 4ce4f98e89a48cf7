/** Tarballs that `git archive` would never write. Imported by tests alone. */

export interface Member {
  readonly name: string;
  /** The flag of ustar: 0 file, 1 hard link, 2 symbolic link, 3 device, 5 directory, 6 pipe, x records. */
  readonly type?: string;
  readonly target?: string;
  readonly content?: string | Buffer;
  /** Where it lies about its content. */
  readonly sizeBytes?: number;
}

export function tarOf(...members: readonly Member[]): Buffer {
  return Buffer.concat([...members.map(memberOf), Buffer.alloc(1024)]);
}

/** Writes the sum that fits, into a header that was changed. */
export function correctSum(header: Buffer): void {
  header.fill(' ', 148, 156);
  const sum = header.subarray(0, 512).reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
}

export function paxRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  let length = rest.length + 1;
  while (String(length).length + rest.length !== length) length += 1;
  return `${length}${rest}`;
}

function memberOf({ name, type = '0', target = '', content = '', sizeBytes }: Member): Buffer {
  const bytes = Buffer.from(content);
  const header = Buffer.alloc(512);
  header.write(name, 0, 100, 'latin1');
  header.write('0000664\0', 100, 'latin1');
  header.write('0000000\0'.repeat(2), 108, 'latin1');
  header.write(`${(sizeBytes ?? bytes.length).toString(8).padStart(11, '0')}\0`, 124, 'latin1');
  header.write('14712345670\0', 136, 'latin1');
  header.write(type, 156, 'latin1');
  header.write(target, 157, 100, 'latin1');
  header.write('ustar\x0000', 257, 'latin1');
  correctSum(header);
  return Buffer.concat([header, bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)]);
}
