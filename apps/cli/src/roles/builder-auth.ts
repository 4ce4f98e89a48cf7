/** What builders are to registries. Whoever may push may have each step of a Dockerfile run beside it, or not. */
import type { BuilderCredentials, Isolation } from '@hephy/drivers';
import { dockerName, identityTokenUser, type RegistryCredentials } from '@hephy/registry';
import { z } from 'zod';
import type { Connections } from './connect.ts';
import { UserError } from '../client/contexts.ts';

interface Registry {
  readonly settings: Pick<Connections['settings'], 'registry' | 'kubernetes'>;
  readonly places: Pick<Connections['places'], 'registry' | 'plainHttp'>;
}

/** A docker `config.json`, as far as it says who we are. A `credsStore` would speak for the registry of builds, too. */
const DockerConfig = z.strictObject({
  auths: z.record(z.string(), z.record(z.string(), z.string())).default({}),
  credHelpers: z.record(z.string(), z.string()).default({}),
});
export type DockerConfig = z.infer<typeof DockerConfig>;

/** Reads what an operator gives builders for base images. Throws `UserError`, which never shows any of it. */
export function parseDockerConfig(text: string): DockerConfig {
  const parsed = DockerConfig.safeParse(jsonOf(text));
  if (parsed.success) return parsed.data;
  const places = parsed.error.issues.map(({ path }) => path.slice(0, 1).join('') || 'the whole');
  throw new UserError(
    `what builders pull with is not a docker config.json with auths and credHelpers alone: see ${places.join(', ')}`,
  );
}

/**
 * Whom it names for a registry's `host[:port]`, as `docker login` stores it. Helpers are programs of the builders' image:
 * nobody here can ask them.
 */
export function pullUser({ auths }: DockerConfig, host: string): RegistryCredentials | undefined {
  const { identitytoken, auth, username, password } = auths[dockerName(host)] ?? {};
  if (identitytoken) return { username: identityTokenUser, password: identitytoken };
  const text = auth
    ? Buffer.from(auth, 'base64').toString()
    : `${username ?? ''}:${password ?? ''}`;
  const [name = '', ...rest] = text.split(':');
  return name === '' ? undefined : { username: name, password: rest.join(':') };
}

/** What builders push with, as `docker login` stores it; undefined if the registry asks for nothing. */
export function builderAuth(registry: Registry): string | undefined {
  return dockerConfig(registry, { user: staticUser(registry) });
}

/** Undefined if the registry asks for nothing. */
function staticUser({ settings }: Registry): RegistryCredentials | undefined {
  const known = settings.registry?.builderCredentials ?? settings.registry?.credentials;
  return known ? { username: known.username, password: known.password.reveal() } : undefined;
}

/** A step of a Dockerfile never comes near what the publisher moves the tags of releases with. */
export function builderIsolation({ settings: { registry, kubernetes } }: Registry): Isolation {
  if (kubernetes.isolation) return kubernetes.isolation;
  const { credentials, credentialHelper, builderCredentials } = registry ?? {};
  return (credentials ?? credentialHelper) && !builderCredentials ? 'split' : 'together';
}

/** What the containers of a builder's pod are given: with `split`, the one that runs a Dockerfile's steps can only pull. */
export function builderCredentials(
  registry: Registry,
  {
    isolation,
    user,
    pull,
  }: {
    readonly isolation: Isolation;
    readonly user: RegistryCredentials | undefined;
    readonly pull?: DockerConfig | undefined;
  },
): BuilderCredentials {
  const isSplit = isolation === 'split';
  const config = dockerConfig(registry, { user: isSplit ? undefined : user, pull });
  return {
    ...(config !== undefined && { dockerConfig: config }),
    ...(isSplit && user && { push: JSON.stringify(user) }),
  };
}

/** The registries that are spoken to without TLS. */
export function plainRegistries({ places }: Pick<Registry, 'places'>): string[] {
  return places.plainHttp ? [registryHost(places.registry)] : [];
}

function dockerConfig(
  { places }: Registry,
  {
    user,
    pull = { auths: {}, credHelpers: {} },
  }: { user: RegistryCredentials | undefined; pull?: DockerConfig | undefined },
): string | undefined {
  const name = dockerName(registryHost(places.registry));
  const auths = user ? { ...pull.auths, [name]: dockerEntry(user) } : pull.auths;
  const helpers = Object.entries(pull.credHelpers).filter(([helped]) => !user || helped !== name);
  if (Object.keys(auths).length + helpers.length === 0) return undefined;
  return JSON.stringify({
    auths,
    ...(helpers.length > 0 && { credHelpers: Object.fromEntries(helpers) }),
  });
}

function dockerEntry({ username, password }: RegistryCredentials): Record<string, string> {
  if (username === identityTokenUser) return { identitytoken: password };
  return { auth: Buffer.from(`${username}:${password}`).toString('base64') };
}

/** `host[:port]` of `host[:port][/prefix]`. */
export function registryHost(address: string): string {
  return address.split('/', 1)[0] ?? address;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
