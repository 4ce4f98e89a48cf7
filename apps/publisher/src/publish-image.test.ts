import {
  BuildOptions,
  failureOf,
  platformWorkName,
  type PlatformBuild,
  type Publication,
} from '@hephy/core';
import { describe, expect, it } from 'vitest';
import { memoryStore, type MemoryStore } from '../../../test/simulator/memory-records.ts';
import { randomFrom } from '../../../test/simulator/random.ts';
import { recordsPort } from '../../../test/simulator/records-port.ts';
import { buildOf, makeScenario } from '../../../test/simulator/scenario.ts';
import { publishImage, type PublishDeps } from './publish-image.ts';
import type { ReleaseRegistry } from './release-registry.ts';

const now = new Date(Date.UTC(2026, 0, 1));
const mediaType = 'application/vnd.oci.image.manifest.v1+json';
const digestOf = (platform: string): string => `sha256:${platform}`;

/** A registry that agrees to everything, and the tags that were moved in it. */
function agreeing(moved: string[]): ReleaseRegistry {
  const bytes = new Uint8Array([1]);
  return {
    async verifyChild({ platform, digest }) {
      const configPlatform = { os: 'linux', architecture: 'amd64' };
      const descriptor = { mediaType, digest, size: 1 };
      return { ok: true, value: { platform, configPlatform, descriptor, bytes } };
    },
    putImage: async () => ({ ok: true, value: { digest: 'sha256:index', mediaType, bytes } }),
    tryTag: async () => ({ ok: true, value: undefined }),
    async moveTag({ tag }) {
      moved.push(tag);
      return { ok: true, value: { proven: true } };
    },
  };
}

/** A build whose platforms are built, and whose publication is to be done. */
function setUp(registryWith: Partial<ReleaseRegistry> = {}) {
  const [wanted] = makeScenario(randomFrom(1)).builds;
  if (!wanted) throw new Error('the scenario has no build');
  const build = { ...buildOf(wanted, now), state: 'publishing' as const };
  const [image] = build.plan.images;
  if (!image) throw new Error('the build has no image');
  const past = { failure: null, pastFailures: [] };
  const life = { buildId: build.id, attempt: 1, notBefore: null, leaseUntil: null, ...past };
  const waiting = { ...life, state: 'pending', startedAt: null, finishedAt: null } as const;
  const ended = { ...life, state: 'succeeded', startedAt: now, finishedAt: now } as const;
  const platforms = image.platforms.map((platform): PlatformBuild => ({
    ...ended,
    kind: 'platform',
    name: platformWorkName(image.name, platform),
    image: image.name,
    platform,
    result: { exitCode: 0, digest: digestOf(platform) },
  }));
  const { name } = image;
  const publication: Publication = {
    ...waiting,
    kind: 'publication',
    name,
    image: name,
    result: null,
  };
  const store = memoryStore();
  store.addBuild(build);
  const stored = store.builds.get(build.id);
  if (stored) stored.record = { build, work: [...platforms, publication], release: null };
  const moved: string[] = [];
  const deps: PublishDeps = {
    records: recordsPort({ call: async ({ land }) => land() }, store.records),
    queue: { askAdvance: async () => {} },
    signals: { notify: async () => {}, subscribe: () => () => {} },
    now: () => now,
    newId: () => 'first',
    leaseMs: 15_000,
    repeat: () => () => {},
    shutdown: new AbortController().signal,
    onError: () => {},
    registry: { ...agreeing(moved), ...registryWith },
    wait: async () => {},
  };
  const step = { buildId: build.id, kind: 'publication', name: image.name, attempt: 1 } as const;
  return { deps, step, image, build, moved, store };
}

const outcome = (store: MemoryStore, buildId: string) =>
  store.records.readBuild(buildId)?.work.find(({ kind }) => kind === 'publication');
const isFree = (store: MemoryStore, repository: string): boolean =>
  store.records.lockRepository({ repository, lease: { owner: 'other', until: now }, at: now });

describe('publishing an image', () => {
  it('moves every tag, and frees the repository', async () => {
    const { deps, step, image, build, moved, store } = setUp();
    await publishImage(step, deps);
    expect(outcome(store, build.id)?.state).toBe('succeeded');
    expect(moved).toEqual(image.tags);
    expect(isFree(store, image.repository)).toBe(true);
  });

  it.each([
    [undefined, 'auto'],
    [BuildOptions.parse({}), 'auto'],
    [BuildOptions.parse({ imageFormat: 'docker' }), 'docker'],
    [BuildOptions.parse({ compression: 'zstd' }), 'oci'],
  ] as const)('asks for the format that the plan asks for: %j', async (options, format) => {
    const asked: string[] = [];
    const { deps, step, store, build } = setUp({
      putImage: async (input) => {
        asked.push(input.format);
        return { ok: false, failure: failureOf('MediaTypeConflict') };
      },
    });
    const stored = store.builds.get(build.id);
    const [image] = build.plan.images;
    if (!stored || !image) throw new Error('no build');
    const images = [{ ...image, ...(options && { options }) }];
    stored.record = { ...stored.record, build: { ...build, plan: { ...build.plan, images } } };
    await publishImage(step, deps);
    expect(asked).toEqual([format]);
  });

  it('moves nothing when a child is refused, and frees the repository', async () => {
    const failure = failureOf('PlatformMismatch');
    const { deps, step, image, build, moved, store } = setUp({
      verifyChild: async () => ({ ok: false, failure }),
    });
    await publishImage(step, deps);
    expect(outcome(store, build.id)).toMatchObject({ state: 'failed', failure });
    expect(moved).toEqual([]);
    expect(isFree(store, image.repository)).toBe(true);
  });

  it('notes of each tag what the registry made of its move', async () => {
    const { deps, step, image, store } = setUp({
      moveTag: async ({ tag }) =>
        tag === 'latest'
          ? { ok: false, failure: failureOf('TagImmutable') }
          : { ok: true, value: { proven: tag !== 'new' } },
    });
    const tags = ['moved', 'new', 'latest'].map((tag) => ({ repository: image.repository, tag }));
    const [stored] = store.builds.values();
    if (!stored) throw new Error('no build');
    const { build } = stored.record;
    const images = [{ ...image, tags: tags.map(({ tag }) => tag) }];
    stored.record = { ...stored.record, build: { ...build, plan: { ...build.plan, images } } };
    store.records.claimTag({ repository: image.repository, tag: 'latest', buildNumber: 1 });
    store.records.noteTagMove({ repository: image.repository, tag: 'latest', proven: true });
    await publishImage(step, deps);
    expect(outcome(store, build.id)).toMatchObject({ failure: { reason: 'TagImmutable' } });
    expect(isFree(store, image.repository)).toBe(true);
    expect(store.records.listUnprovenTags(tags).map(({ tag }) => tag)).toEqual(['new', 'latest']);
  });

  it('leaves tags alone that a newer build has claimed, and says so', async () => {
    const { deps, step, image, build, moved, store } = setUp();
    const { repository, tags } = image;
    for (const tag of tags) store.records.claimTag({ repository, tag, buildNumber: 99 });
    await publishImage(step, deps);
    expect(moved).toEqual([]);
    const result = { tags: tags.map((tag) => ({ tag, moved: false })) };
    expect(outcome(store, build.id)).toMatchObject({ state: 'succeeded', result });
  });

  it('keeps the repository locked after a move that failed, for that may still land over a newer one', async () => {
    const failure = failureOf('RegistryUnavailable');
    const { deps, step, image, build, store } = setUp({
      moveTag: async ({ tag }) => ({
        ok: false,
        failure: tag === 'latest' ? failureOf('TagImmutable') : failure,
      }),
    });
    await publishImage(step, deps);
    expect(outcome(store, build.id)).toMatchObject({ state: 'failed', failure });
    expect(isFree(store, image.repository)).toBe(false);
  });
});
