/**
 * Keeps release hooks from reaching what only we can reach. A host name is resolved once, its addresses are judged, and
 * those very addresses are what is dialed: an answer of DNS that changes in between changes nothing.
 */
import { lookup as systemLookup, type LookupAddress } from 'node:dns';
import { isIP } from 'node:net';
import { promisify } from 'node:util';
import ipaddr from 'ipaddr.js';

export interface GuardedTarget {
  readonly url: URL;
  /** Allowed addresses of the host, at least one, in the resolver's order. */
  readonly addresses: readonly LookupAddress[];
}

export type UrlVerdict =
  | { readonly ok: true; readonly target: GuardedTarget }
  /** `why` is for people; `temporary` when the resolver failed, so that another try may do better. */
  | { readonly ok: false; readonly why: string; readonly temporary: boolean };

export type UrlGuard = (url: string) => Promise<UrlVerdict>;

export interface UrlGuardOptions {
  /** Hosts, addresses and ranges (`10.1.0.0/16`) that hooks may reach although they are not public. */
  readonly allowPrivate: readonly string[];
  /** All addresses of a host name. */
  readonly lookup?: (hostname: string) => Promise<readonly LookupAddress[]>;
}

const lookupAll = promisify(systemLookup);

/** Only http and https, without credentials, to public addresses or to what `allowPrivate` names. */
export function createUrlGuard({
  allowPrivate,
  lookup = (hostname) => lookupAll(hostname, { all: true }),
}: UrlGuardOptions): UrlGuard {
  const allowed = parseAllowed(allowPrivate);
  return async (text) => {
    const url = URL.parse(text);
    if (!url || !['http:', 'https:'].includes(url.protocol)) {
      return refused('a hook address starts with http:// or https://');
    }
    if (url.username !== '' || url.password !== '') {
      return refused(
        'a hook address holds no user name and no password; the hook is signed instead',
      );
    }
    // URL has brought every spelling of an address into one: 0x7f.1 is 127.0.0.1 here.
    const host = url.hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '');
    const found = await resolve(host, lookup);
    if (!found) return { ok: false, why: `${host} cannot be resolved now`, temporary: true };
    const addresses = found.filter(
      ({ address }) => allowed.hosts.has(host) || isAllowed(address, allowed.ranges),
    );
    if (addresses.length > 0) return { ok: true, target: { url, addresses } };
    return refused(
      `${host} is not a public address; the operator can allow it with HEPHY_HOOK_ALLOW`,
    );
  };
}

function refused(why: string): UrlVerdict {
  return { ok: false, why, temporary: false };
}

/** The addresses of a host, or undefined if the resolver has none to give now. */
async function resolve(
  host: string,
  lookup: NonNullable<UrlGuardOptions['lookup']>,
): Promise<readonly LookupAddress[] | undefined> {
  const family = isIP(host);
  if (family !== 0) return [{ address: host, family }];
  const found = await lookup(host).catch(() => []);
  return found.length > 0 ? found : undefined;
}

type Range = [ipaddr.IPv4 | ipaddr.IPv6, number];

interface Allowed {
  readonly hosts: ReadonlySet<string>;
  readonly ranges: readonly Range[];
}

function parseAllowed(entries: readonly string[]): Allowed {
  const hosts = new Set<string>();
  const ranges: Range[] = [];
  for (const entry of entries) {
    if (ipaddr.isValidCIDR(entry)) ranges.push(ipaddr.parseCIDR(entry));
    else if (isIP(entry) !== 0) ranges.push([ipaddr.process(entry), isIP(entry) === 4 ? 32 : 128]);
    else hosts.add(entry.toLowerCase());
  }
  return { hosts, ranges };
}

function isAllowed(text: string, ranges: readonly Range[]): boolean {
  // An IPv4 address that is mapped into IPv6 is judged as what it is.
  const address = ipaddr.process(text);
  return isPublic(address) || ranges.some((range) => isWithin(address, range));
}

/** The only IPv6 block that public addresses are given from. Source: IANA, IPv6 Global Unicast Address Assignments. */
const globalUnicast: Range = ipaddr.parseCIDR('2000::/3');

function isPublic(address: ipaddr.IPv4 | ipaddr.IPv6): boolean {
  if (address.range() !== 'unicast') return false;
  return address.kind() === 'ipv4' || isWithin(address, globalUnicast);
}

function isWithin(address: ipaddr.IPv4 | ipaddr.IPv6, range: Range): boolean {
  return range[0].kind() === address.kind() && address.match(range);
}
