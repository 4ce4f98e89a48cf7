import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { mediaTypes } from '@hephy/oci';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startFaultProxy } from '../../../test/parts/fault-proxy.ts';
import type { FaultProxy } from '../../../test/parts/fault-proxy.ts';
import { pushImage } from '../../../test/parts/images.ts';
import type { ImageToPush } from '../../../test/parts/images.ts';
import { childrenOf, outcome, publish } from '../../../test/parts/publication.ts';
import { startRegistry } from '../../../test/parts/registry.ts';
import type { TestRegistry } from '../../../test/parts/registry.ts';
import { createRegistryClient } from './client.ts';
import type { RegistryClient } from './client.ts';
import { digestOf } from './digest.ts';
import { moveTag } from './publish-index.ts';
import { verifyChild } from './verify-child.ts';

const run = promisify(execFile);

let registry: TestRegistry;
let proxy: FaultProxy;
/** Straight to the registry, to make images and to judge; `client` goes through the faults. */
let direct: RegistryClient;
let client: RegistryClient;
let repository: string;
let count = 0;

beforeAll(async () => {
  registry = await startRegistry();
  proxy = await startFaultProxy({ upstream: registry.host });
  direct = createRegistryClient({ registry: registry.host });
  client = createRegistryClient({ registry: proxy.host, wait: async () => undefined });
});
beforeEach(() => {
  repository = `shop-${(count += 1)}`;
  proxy.script();
});
afterAll(async () => {
  await Promise.all([direct.close(), client.close()]);
  await proxy.stop();
  await registry.stop();
});

function pushOne(architecture: string, image: Partial<ImageToPush> = {}): Promise<string> {
  return pushImage(direct, { repository, platform: { os: 'linux', architecture }, ...image });
}

async function pushBoth(kind: 'oci' | 'docker' = 'oci'): Promise<string[]> {
  return Promise.all([pushOne('amd64', { kind }), pushOne('arm64', { kind })]);
}

describe('a publication', () => {
  test.each([
    ['oci', mediaTypes.ociIndex],
    ['docker', mediaTypes.dockerList],
  ] as const)('of %s images ends in tags that name exactly them', async (kind, mediaType) => {
    const digests = await pushBoth(kind);
    const published = await publish(
      { repository, digests, tags: ['git-3f2a91c0', 'latest'] },
      client,
    );
    const digest = published.ok ? published.digest : published.failure.message;
    for (const tag of ['git-3f2a91c0', 'latest']) {
      expect(await direct.headManifest(repository, tag)).toMatchObject({ digest, mediaType });
    }
    expect(await childrenOf({ repository, tag: 'latest' }, direct)).toEqual(digests);
  });

  test('done twice changes nothing, and puts no tag again', async () => {
    const digests = await pushBoth();
    const first = await publish({ repository, digests }, client);
    proxy.script();
    expect(await publish({ repository, digests }, client)).toEqual(first);
    const puts = proxy.requests.filter(({ method }) => method === 'PUT');
    expect(puts.map(({ path }) => path.split('/').at(-1)?.slice(0, 7))).toEqual(['sha256:']);
  });

  test('sends one PUT for the index and one for each tag', async () => {
    await publish({ repository, digests: await pushBoth(), tags: ['a', 'b'] }, client);
    expect(proxy.requests.filter(({ method }) => method === 'PUT')).toHaveLength(3);
    expect(proxy.requests.length).toBeLessThanOrEqual(13);
  });

  test('moves a tag from the last image to this one', async () => {
    await publish({ repository, digests: await pushBoth() }, client);
    const next = await Promise.all([
      pushOne('amd64', { content: 'next' }),
      pushOne('arm64', { content: 'next' }),
    ]);
    await publish({ repository, digests: next }, client);
    expect(await childrenOf({ repository, tag: 'latest' }, direct)).toEqual(next);
  });

  test('of one platform can be the plain image itself', async () => {
    const digest = await pushOne('arm64');
    const child = await verifyChild({ repository, digest, platform: 'linux/arm64' }, { client });
    if (!child.ok) throw new Error(child.failure.message);
    const { mediaType } = child.descriptor;
    const image = { repository, tag: 'latest', digest, bytes: child.bytes, mediaType };
    expect(await moveTag(image, { client })).toEqual({ ok: true, from: undefined });
    expect(await direct.headManifest(repository, 'latest')).toMatchObject({ digest, mediaType });
  });
});

function skopeo(...args: string[]) {
  return run('skopeo', args, { encoding: 'buffer' });
}

describe('skopeo', () => {
  test('reads the same bytes under the tag', async () => {
    const published = await publish({ repository, digests: await pushBoth() }, client);
    const name = `docker://${registry.host}/${repository}:latest`;
    const { stdout } = await skopeo('inspect', '--raw', '--tls-verify=false', name);
    expect(digestOf(stdout)).toBe(published.ok ? published.digest : '');
  });

  test.each([
    ['oci', undefined, undefined],
    ['oci', 'v8', undefined],
    ['oci', 'v8', 'v8'],
    ['oci', undefined, 'v8'],
    ['docker', undefined, undefined],
  ] as const)(
    'picks the arm64 image of an %s index with variant %s when asked for %s',
    async (kind, variant, asked) => {
      const amd64 = await pushOne('amd64', { kind });
      const platform = { os: 'linux', architecture: 'arm64', ...(variant && { variant }) };
      const arm64 = await pushOne('arm64', { kind, platform });
      expect(await outcome(publish({ repository, digests: [amd64, arm64] }, client))).toBe(
        'published',
      );
      const folder = await mkdtemp(join(tmpdir(), 'hephy-skopeo-'));
      try {
        const override = ['--override-os=linux', '--override-arch=arm64'];
        if (asked) override.push(`--override-variant=${asked}`);
        const name = `docker://${registry.host}/${repository}:latest`;
        await skopeo(
          '--insecure-policy',
          ...override,
          'copy',
          '--src-tls-verify=false',
          name,
          `dir:${folder}`,
        );
        expect(digestOf(await readFile(join(folder, 'manifest.json')))).toBe(arm64);
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    },
  );
});
