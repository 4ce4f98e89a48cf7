/** What another house calls a platform's architecture. */
export interface Architecture {
  readonly debianName: string;
  /** `e_machine` of its ELF files. Source: the ELF gABI's list of machines. */
  readonly elfMachine: number;
}

/** By canonical platform: those for which Debian 12 has packages. */
const architectures: ReadonlyMap<string, Architecture> = new Map([
  ['linux/386', { debianName: 'i386', elfMachine: 3 }],
  ['linux/amd64', { debianName: 'amd64', elfMachine: 62 }],
  ['linux/arm/v7', { debianName: 'armhf', elfMachine: 40 }],
  ['linux/arm64', { debianName: 'arm64', elfMachine: 183 }],
  ['linux/mips64le', { debianName: 'mips64el', elfMachine: 8 }],
  ['linux/ppc64le', { debianName: 'ppc64el', elfMachine: 21 }],
  ['linux/s390x', { debianName: 's390x', elfMachine: 22 }],
]);

/** Throws for a platform that Debian has no packages for. */
export function architectureOf(platform: string): Architecture {
  const architecture = architectures.get(platform);
  if (architecture) return architecture;
  const known = [...architectures.keys()].join(', ');
  throw new Error(`Debian has no packages for ${platform}; it has them for ${known}`);
}

/** `e_machine` of an ELF file, of which the first 20 bytes are enough; undefined for any other file.
 *  Source: ELF gABI, "ELF Header". */
export function readElfMachine(file: Uint8Array): number | undefined {
  const isElf = file.length >= 20 && Buffer.from(file.subarray(0, 4)).equals(elfMagic);
  if (!isElf) return undefined;
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const isLittleEndian = view.getUint8(5) === 1;
  return view.getUint16(18, isLittleEndian);
}

const elfMagic = Buffer.from([0x7f, 0x45, 0x4c, 0x46]);
