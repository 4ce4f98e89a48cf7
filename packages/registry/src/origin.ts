import { isIP } from 'node:net';
import { registryHost, registryProblem } from '@hephy/oci';

/** The origin of a registry's API. Plain http is for this machine, or where it was asked for. */
export function registryOrigin(registry: string, plainHttp?: boolean): URL {
  const problem = registryProblem(registry);
  if (problem) throw new TypeError(problem);
  const host = registryHost(registry);
  const plain = plainHttp ?? isOwnMachine(new URL(`http://${host}`).hostname);
  return new URL(`${plain ? 'http' : 'https'}://${host}`);
}

/** Whether a registry may send us on to `target`, for content or for an upload.
 *  Never from elsewhere to an address of this machine (its services are not the registry's to reach),
 *  and never from https down to http. */
export function mayFollow(registry: URL, target: URL): boolean {
  if (target.username !== '' || target.password !== '') return false;
  if (target.origin === registry.origin) return true;
  if (isOwnMachine(target.hostname) && !isOwnMachine(registry.hostname)) return false;
  return (
    target.protocol === 'https:' || (target.protocol === 'http:' && registry.protocol === 'http:')
  );
}

/** Whether the credentials may be shown to a token service that the registry names: on https anywhere,
 *  on http only on the registry's own host, or from this machine to this machine. */
export function mayAskForToken(registry: URL, realm: URL): boolean {
  if (!mayFollow(registry, realm)) return false;
  return (
    realm.protocol === 'https:' ||
    realm.hostname === registry.hostname ||
    isOwnMachine(realm.hostname)
  );
}

/** This machine by name or number, link-local addresses (a cloud's metadata service) included. */
function isOwnMachine(hostname: string): boolean {
  const host = hostname.replaceAll(/^\[|\]$/g, '').toLowerCase();
  if (host === 'localhost' || host.endsWith('.localhost')) return true;
  if (isIP(host) === 4) return /^(?:127|0)\.|^169\.254\./.test(host);
  return isIP(host) === 6 && /^::1?$|^fe[89ab]|^::ffff:/.test(host);
}
