import { createHash } from 'node:crypto';

/** Easy to find by secret scanners, and by people in what they paste. */
const prefix = 'hephy_';

/** A new token: `hephy_` and 43 characters, 256 bits. `randomBytes` has to be fit for secrets, as node:crypto's is. */
export function newToken(randomBytes: (sizeBytes: number) => Uint8Array): string {
  return prefix + Buffer.from(randomBytes(32)).toString('base64url');
}

/** What is stored of a token. A plain hash is enough: 256 random bits cannot be guessed, unlike a password. */
export function hashToken(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}
