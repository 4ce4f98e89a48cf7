import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startFaultProxy } from '../../../test/parts/fault-proxy.ts';
import type { Fault, FaultProxy } from '../../../test/parts/fault-proxy.ts';
import { pushImage } from '../../../test/parts/images.ts';
import { childrenOf, outcome, publish } from '../../../test/parts/publication.ts';
import { startRegistry } from '../../../test/parts/registry.ts';
import type { TestRegistry } from '../../../test/parts/registry.ts';
import { createRegistryClient } from './client.ts';
import type { RegistryClient } from './client.ts';
import type { Manifest } from './manifests.ts';
import { tryTag } from './publish-index.ts';

const repository = 'shop';
const absent = `sha256:${'0'.repeat(64)}`;
let registry: TestRegistry;
let proxy: FaultProxy;
/** Straight to the registry, to make images and to judge; `client` goes through the faults. */
let direct: RegistryClient;
let client: RegistryClient;
/** The images of the index that a tag names before, and of the one that it shall name. */
let old: string[];
let next: string[];
let oldIndex: Manifest | undefined;
let count = 0;

beforeAll(async () => {
  registry = await startRegistry();
  proxy = await startFaultProxy({ upstream: registry.host });
  direct = createRegistryClient({ registry: registry.host });
  client = createRegistryClient({ registry: proxy.host, wait: async () => undefined });
  const push = (architecture: string, content: string) =>
    pushImage(direct, { repository, platform: { os: 'linux', architecture }, content });
  old = [await push('amd64', 'old'), await push('arm64', 'old')];
  next = [await push('amd64', 'next'), await push('arm64', 'next')];
  await publish({ repository, digests: old }, direct);
  oldIndex = await direct.getManifest(repository, 'latest');
});
afterAll(async () => {
  await Promise.all([direct.close(), client.close()]);
  await proxy.stop();
  await registry.stop();
});

/** A tag of its own that names the old images, and then `fault` in the way of the next. */
async function publishNext(...faults: Fault[]): Promise<{ ended: string; children: string[] }> {
  const tag = `latest-${(count += 1)}`;
  if (!oldIndex) throw new Error('the first publication left no index');
  await direct.putManifest({ repository, reference: tag, ...oldIndex });
  proxy.script(...faults);
  const ended = await outcome(publish({ repository, digests: next, tags: [tag] }, client));
  return { ended, children: await childrenOf({ repository, tag }, direct) };
}

/** Every request of a publication, in order. */
const steps = {
  'HEAD of a child': { method: 'HEAD', path: /manifests\/sha256/ },
  'GET of a child': { method: 'GET', path: /manifests\/sha256/ },
  'GET of a config': { method: 'GET', path: /blobs\/sha256/ },
  'PUT of the index': { method: 'PUT', path: /manifests\/sha256/ },
  'HEAD of the tag': { method: 'HEAD', path: /manifests\/latest/ },
  'PUT of the tag': { method: 'PUT', path: /manifests\/latest/ },
};
const unauthorized: Fault = { do: 'answer', status: 401 };
const broken = {
  '429': { do: 'answer', status: 429, headers: { 'retry-after': '1' } },
  '500': { do: 'answer', status: 500 },
  'a reset': { do: 'reset' },
  'a lost answer': { do: 'loseAnswer' },
} satisfies Record<string, Fault>;
const lie: Fault = { do: 'setHeaders', headers: { 'docker-content-digest': absent } };
const everyStep = Object.entries(steps);
const everyBreak = everyStep.flatMap(([name, step]) =>
  Object.entries(broken).map(([what, fault]) => ({ what, name, fault: { ...fault, ...step } })),
);

test.each(everyBreak)('$what at the $name is mended by another try', async ({ fault }) => {
  expect(await publishNext(fault)).toEqual({ ended: 'published', children: next });
});

test.each(everyBreak)(
  '$what at every $name moves no tag to a part',
  async ({ what, name, fault }) => {
    const { ended, children } = await publishNext({ ...fault, times: 99 });
    expect(ended).toBe(what === '429' ? 'RateLimited' : 'RegistryUnavailable');
    // The registry did what it was asked, and could not say so: the tag is whole either way.
    const isStored = what === 'a lost answer' && name === 'PUT of the tag';
    expect(children).toEqual(isStored ? next : old);
  },
);

test.each(everyStep)('401 at the %s is a failure, and the tag stays', async (_name, step) => {
  const refused = await publishNext({ ...unauthorized, ...step });
  expect(refused).toEqual({ ended: 'RegistryUnauthorized', children: old });
});

test.each(['HEAD of a child', 'GET of a child', 'PUT of the index'] as const)(
  'a lie about the digest at the %s is a failure, and the tag stays',
  async (name) => {
    const refused = await publishNext({ ...lie, ...steps[name] });
    expect(refused).toEqual({ ended: 'DigestMismatch', children: old });
  },
);

test.each(['HEAD of the tag', 'PUT of the tag'] as const)(
  'a lie about the digest at the %s is a failure, and the tag is whole',
  async (name) => {
    const refused = await publishNext({ ...lie, ...steps[name], times: 99 });
    expect(refused).toEqual({ ended: 'DigestMismatch', children: next });
  },
);

test.each(['GET of a child', 'GET of a config'] as const)(
  'bytes that are not those of the digest at the %s are a failure, and the tag stays',
  async (name) => {
    const refused = await publishNext({ do: 'corruptBody', ...steps[name] });
    expect(refused).toEqual({ ended: 'DigestMismatch', children: old });
  },
);

const immutable: Fault = {
  do: 'answer',
  status: 400,
  body: '{"errors":[{"code":"TAG_INVALID","message":"the tag is immutable"}]}',
  ...steps['PUT of the tag'],
};

describe('a registry whose tags may not move', () => {
  test('refuses to move one, and the failure says so', async () => {
    expect(await publishNext(immutable)).toEqual({ ended: 'TagImmutable', children: old });
  });

  test('that stored the tag and lost its answer is not a failure', async () => {
    const lost: Fault = { do: 'loseAnswer', ...steps['PUT of the tag'] };
    expect(await publishNext(lost, immutable)).toEqual({ ended: 'published', children: next });
  });
});

const isPut = ({ method }: { method: string }) => method === 'PUT';
/** What had been asked of the registry when it was told that the tag is being written. */
let heard: string[] | undefined;
const tryLatest = (tag = 'latest', through = client) => {
  heard = undefined;
  const onWrite = () => (heard = proxy.requests.map(({ method }) => method));
  return tryTag({ repository, tag, onWrite }, { client: through });
};

describe('a tag that is tried before anything is built', () => {
  test('names what it named', async () => {
    proxy.script();
    expect(await tryLatest()).toEqual({ ok: true });
    expect(proxy.requests.map(({ method }) => method)).toEqual(['GET', 'PUT']);
    expect(heard).toEqual(['GET']);
    expect(await direct.getManifest(repository, 'latest')).toEqual(oldIndex);
  });

  test('is not made where there is none: the right to push is tried', async () => {
    proxy.script();
    expect(await tryLatest('never')).toEqual({ ok: true });
    expect(proxy.requests.map(({ method }) => method)).toEqual(['GET', 'POST', 'DELETE']);
    expect(heard).toBeUndefined();
    expect(await direct.headManifest(repository, 'never')).toBeUndefined();
  });

  test.each([
    ['that is immutable', immutable, 'TagImmutable'],
    [
      'that we may not write',
      { ...steps['PUT of the tag'], do: 'answer', status: 403 },
      'PushDenied',
    ],
    [
      'of whose registry our login is not known',
      { do: 'answer', status: 401, times: 9 },
      'RegistryUnauthorized',
    ],
    ['of a registry that is away', { do: 'answer', status: 503, times: 9 }, 'RegistryUnavailable'],
  ] as const)('%s is refused, and stays', async (_, fault, reason) => {
    proxy.script(fault);
    expect(await outcome(tryLatest())).toBe(reason);
    expect(await direct.getManifest(repository, 'latest')).toEqual(oldIndex);
  });

  test.each([401, 403, 404])(
    'of a repository of which reads answer %i before it is made is tried like a new one',
    async (status) => {
      proxy.script({ do: 'answer', status, method: 'GET', times: 9 });
      expect(await tryLatest()).toEqual({ ok: true });
      expect(proxy.requests.at(-1)).toMatchObject({ method: 'DELETE' });
    },
  );

  const schema1 = 'application/vnd.docker.distribution.manifest.v1+prettyjws';
  test.each([
    ['bytes that are not what the registry says', { do: 'corruptBody' }, 'DigestMismatch'],
    [
      'a manifest of a type that we do not know',
      { do: 'setHeaders', headers: { 'content-type': schema1 } },
      'ManifestInvalid',
    ],
  ] as const)('is not written with %s', async (_, fault, reason) => {
    proxy.script({ ...fault, method: 'GET', times: 9 });
    expect(await outcome(tryLatest())).toBe(reason);
    expect(heard).toBeUndefined();
    expect(proxy.requests.filter(isPut)).toEqual([]);
  });

  test('is not written when it is larger than we write', async () => {
    const small = createRegistryClient({
      registry: proxy.host,
      limits: { manifestWriteBytes: 1, attempts: 1 },
    });
    proxy.script();
    expect(await outcome(tryLatest('latest', small))).toBe('ManifestInvalid');
    expect(proxy.requests.filter(isPut)).toEqual([]);
    await small.close();
  });
});
