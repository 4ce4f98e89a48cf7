export type Credentials =
  { scheme: 'basic'; username: string; password: string } | { scheme: 'bearer'; token: string };

const longestHeader = 8192;

/**
 * Reads an `Authorization` header: RFC 7617 (Basic, UTF-8) and RFC 6750 (Bearer), scheme names in any
 * case. `undefined`: there is none; `malformed`: there is one, and it says nothing.
 */
export function parseAuthorization(
  header: string | undefined,
): Credentials | 'malformed' | undefined {
  if (header === undefined) return undefined;
  const match = /^(basic|bearer) +([A-Za-z0-9+/=._~-]+)$/i.exec(header);
  if (header.length > longestHeader || !match?.[1] || !match[2]) return 'malformed';
  return match[1].toLowerCase() === 'bearer'
    ? { scheme: 'bearer', token: match[2] }
    : basic(match[2]);
}

function basic(value: string): Credentials | 'malformed' {
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(value)) return 'malformed';
  const text = Buffer.from(value, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  if (colon < 0 || /[\u0000-\u001f\u007f\ufffd]/.test(text)) return 'malformed';
  return { scheme: 'basic', username: text.slice(0, colon), password: text.slice(colon + 1) };
}
