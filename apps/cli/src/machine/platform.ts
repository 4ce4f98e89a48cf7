import { arch } from 'node:os';
import { normalizePlatform, formatPlatform } from '@hephy/oci';

/** What this machine runs without emulation, as OCI names it. */
export function machinePlatform(): string {
  const architecture = arch() === 'x64' ? 'amd64' : arch();
  return formatPlatform(normalizePlatform({ os: 'linux', architecture }));
}
