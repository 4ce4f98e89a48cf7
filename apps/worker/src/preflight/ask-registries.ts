import { mirrored, type Mirror } from '@hephy/backends';
import { parseReference, type Platform } from '@hephy/oci';
import { readImagePlatforms, RegistryFailure, type RegistryClient } from '@hephy/registry';
import type { BaseAnswer } from './judge-base-images.ts';

export interface RegistriesDeps {
  readonly mirrors: readonly Mirror[];
  /** To `host[:port]`, which may be what a stranger wrote. */
  readonly connect: (registry: string) => RegistryClient;
}

/** Answers by name: what registries say about images as a Dockerfile names them. Until the signal aborts. */
export type AskRegistries = (
  names: readonly string[],
  signal: AbortSignal,
) => Promise<ReadonlyMap<string, BaseAnswer>>;

const mostKnown = 1_000;

export function createAskRegistries({ mirrors, connect }: RegistriesDeps): AskRegistries {
  // By digest, whose bytes never change: Docker Hub counts each GET of a manifest as a pull, and no HEAD.
  const known = new Map<string, readonly Platform[]>();

  const readPlatforms = async (
    client: RegistryClient,
    { repository, reference }: { repository: string; reference: string },
    signal: AbortSignal,
  ): Promise<readonly Platform[] | undefined> => {
    const head = await client.headManifest(repository, reference, { signal });
    if (!head) return undefined;
    const { digest } = head;
    const platforms =
      known.get(digest) ?? (await readImagePlatforms({ repository, digest }, { client, signal }));
    if (known.size >= mostKnown) known.clear();
    if (platforms) known.set(digest, platforms);
    return platforms;
  };

  return async (names, signal) => {
    const clients = new Map<string, RegistryClient>();
    const askOne = async (name: string): Promise<BaseAnswer> => {
      const parsed = parseReference(name);
      if (!parsed.ok) return { kind: 'unclear', why: parsed.problem };
      const { registry, repository, tag = 'latest', digest } = parsed.reference;
      const at = mirrored(`${registry}/${repository}`, mirrors);
      const [host = ''] = at.split('/', 1);
      const image = { repository: at.slice(host.length + 1), reference: digest ?? tag };
      try {
        const client = clients.get(host) ?? connect(host);
        clients.set(host, client);
        const platforms = await readPlatforms(client, image, signal);
        return platforms ? { kind: 'found', at, platforms } : { kind: 'missing', at };
      } catch (error) {
        return { kind: 'unclear', why: whyUnclear(error, { host, signal }) };
      }
    };
    try {
      const answers = names.map(async (name) => [name, await askOne(name)] as const);
      return new Map(await Promise.all(answers));
    } finally {
      await Promise.all([...clients.values()].map((client) => client.close()));
    }
  };
}

function whyUnclear(
  error: unknown,
  { host, signal }: { host: string; signal: AbortSignal },
): string {
  if (signal.aborted) return `${host} did not answer in time`;
  // Nobody checked yet whether the mirror of a setting is the name of a registry.
  if (error instanceof RegistryFailure || error instanceof TypeError) return error.message;
  throw error;
}
