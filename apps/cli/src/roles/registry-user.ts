import { createCredentialHelper, type CredentialSource } from '@hephy/registry';
import { registryHost } from './builder-auth.ts';
import type { Connections } from './connect.ts';

type Needed = Pick<Connections, 'settings' | 'places' | 'environment' | 'now'>;

/** Who the publisher is to the registry; undefined if the registry asks for nothing. */
export function publisherUser(connections: Needed): CredentialSource | undefined {
  const { settings, places, environment, now } = connections;
  const { credentials, credentialHelper: name } = settings.registry ?? {};
  if (credentials) {
    const user = { username: credentials.username, password: credentials.password.reveal() };
    return () => Promise.resolve(user);
  }
  if (!name) return undefined;
  return createCredentialHelper({
    name,
    registry: registryHost(places.registry),
    environment,
    now: () => now().getTime(),
  });
}

/** Who the builders are to it: a user of their own, or the one that this process knows. */
export function builderUser(connections: Needed): CredentialSource | undefined {
  const own = connections.settings.registry?.builderCredentials;
  if (!own) return publisherUser(connections);
  const user = { username: own.username, password: own.password.reveal() };
  return () => Promise.resolve(user);
}
