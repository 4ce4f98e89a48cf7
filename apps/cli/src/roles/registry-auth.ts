import type { Connections } from './connect.ts';

/** The credentials of the registry as `docker login` stores them; undefined if it asks for none. */
export function registryAuth({ settings, places }: Connections): string | undefined {
  const credentials = settings.registry?.credentials;
  if (!credentials) return undefined;
  const auth = Buffer.from(`${credentials.username}:${credentials.password.reveal()}`);
  const auths = { [registryHost(places.registry)]: { auth: auth.toString('base64') } };
  return JSON.stringify({ auths });
}

/** The registries that are spoken to without TLS. */
export function plainRegistries({ places }: Connections): string[] {
  return places.plainHttp ? [registryHost(places.registry)] : [];
}

/** `host[:port]` of `host[:port][/prefix]`. */
function registryHost(address: string): string {
  return address.split('/', 1)[0] ?? address;
}
