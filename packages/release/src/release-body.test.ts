import { planBuild, AppSettings, type BuildRecord, type Publication } from '@hephy/core';
import { expect, test } from 'vitest';
import { ReleaseBody, releaseBody } from './release-body.ts';

const at = new Date('2026-11-22T10:00:00Z');
const sha = '3f2a91c0'.repeat(5);
const digest = `sha256:${'a'.repeat(64)}`;
const platforms = Array.from({ length: 16 }, (_, index) => `linux/arm64/v${index}`);

const publication: Publication = {
  buildId: 'b1',
  kind: 'publication',
  name: 'web',
  image: 'web',
  state: 'succeeded',
  attempt: 1,
  notBefore: null,
  leaseUntil: null,
  startedAt: at,
  finishedAt: at,
  failure: null,
  pastFailures: [],
  result: {
    digest,
    mediaType: 'application/vnd.oci.image.index.v1+json',
    sizeBytes: 700,
    children: platforms.map((platform) => ({ platform, digest })),
    tags: [
      { tag: 'git-3f2a91c0', moved: true },
      { tag: 'latest', moved: false },
    ],
  },
};

const record: BuildRecord = {
  build: {
    id: 'b1',
    appId: 'a1',
    appName: 'shop',
    number: 42,
    sha,
    ref: 'refs/heads/main',
    pushedBy: 'ada',
    source: { sha256: 'c'.repeat(64), sizeBytes: 1024 },
    plan: planBuild({
      app: { name: 'shop', settings: AppSettings.parse({ platforms }) },
      sha,
      registry: 'localhost:5000',
    }),
    state: 'releasing',
    failure: null,
    cancelRequest: null,
    createdAt: at,
    startedAt: at,
    finishedAt: null,
    deadlineAt: at,
    version: 9,
  },
  work: [publication],
  release: { buildId: 'b1', version: 7, createdAt: at },
};

test('a release tells what to deploy by digest, and only the tags that name it', () => {
  const body = releaseBody(record);
  expect(ReleaseBody.parse(JSON.parse(JSON.stringify(body)))).toEqual(body);
  expect(body.data).toMatchObject({
    app: 'shop',
    version: 7,
    image: `localhost:5000/shop@${digest}`,
    tags: ['git-3f2a91c0'],
  });
});

test('a release of sixteen platforms stays below 20 kB', () => {
  expect(JSON.stringify(releaseBody(record)).length).toBeLessThan(20_000);
});

test('a build without a release has nothing to tell', () => {
  expect(() => releaseBody({ ...record, release: null })).toThrow('build b1');
});
