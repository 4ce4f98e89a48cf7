import type { Connections } from './connect.ts';

interface Registry {
  readonly settings: Pick<Connections['settings'], 'registry'>;
  readonly places: Pick<Connections['places'], 'registry' | 'plainHttp'>;
}

/** What builders push with, as `docker login` stores it; undefined if the registry asks for nothing. */
export function builderAuth({ settings, places }: Registry): string | undefined {
  const credentials = settings.registry?.builderCredentials ?? settings.registry?.credentials;
  if (!credentials) return undefined;
  const auth = Buffer.from(`${credentials.username}:${credentials.password.reveal()}`);
  const auths = { [registryHost(places.registry)]: { auth: auth.toString('base64') } };
  return JSON.stringify({ auths });
}

/** The registries that are spoken to without TLS. */
export function plainRegistries({ places }: Pick<Registry, 'places'>): string[] {
  return places.plainHttp ? [registryHost(places.registry)] : [];
}

/** `host[:port]` of `host[:port][/prefix]`. */
function registryHost(address: string): string {
  return address.split('/', 1)[0] ?? address;
}
