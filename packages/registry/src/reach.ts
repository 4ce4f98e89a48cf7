import type { LookupAddress } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import { callbackify } from 'node:util';

/** The addresses of a host name or address that may be dialed. Rejects with the reason where there are none. */
export type Reach = (host: string) => Promise<readonly LookupAddress[]>;

/** Dials what `reach` answers and nothing else: a name that leads elsewhere a moment later changes nothing. */
export function lookupBy(reach: Reach): LookupFunction {
  const find = callbackify(reach);
  return (host, options, callback) =>
    find(host, (error, addresses) => {
      if (error) return callback(error, '');
      if (options.all) return callback(null, [...addresses]);
      const [first] = addresses;
      callback(null, first?.address ?? '', first?.family);
    });
}

/** An address is dialed without a lookup. */
export async function checkAddress({ hostname }: URL, reach: Reach): Promise<void> {
  const host = hostname.replaceAll(/^\[|\]$/g, '');
  if (isIP(host) !== 0) await reach(host);
}
