import { BuildOptions, type Build, type PlatformBuild } from '@hephy/core';
import { expect, test } from 'vitest';
import { builderSpec } from './builder-spec.ts';

const image = {
  name: 'web',
  repository: 'r.test/shop',
  platforms: ['linux/arm64'],
  dependsOn: [],
  dockerfilePath: 'Dockerfile',
  contextPath: '.',
  target: null,
  buildArgs: { A: '$(HOME) $$ "x"' },
  labels: { 'org.opencontainers.image.revision': '1'.repeat(40) },
  tags: ['latest'],
  index: true,
};
const build: Build = {
  id: '01HZY3VQ8D0000000000000000',
  appId: 'a1',
  appName: 'shop',
  number: 7,
  sha: '1'.repeat(40),
  ref: 'refs/heads/main',
  pushedBy: 'ada',
  source: { sha256: '0'.repeat(64), sizeBytes: 10 },
  plan: {
    images: [image],
    requireNativeNodes: true,
    noCache: true,
    timeLimitSeconds: 60,
    hook: false,
  },
  state: 'building',
  failure: null,
  cancelRequest: null,
  createdAt: new Date('2026-11-22T10:00:00Z'),
  startedAt: null,
  finishedAt: null,
  deadlineAt: new Date('2026-11-22T12:00:00Z'),
  version: 1,
};
const work: PlatformBuild = {
  buildId: build.id,
  kind: 'platform',
  name: 'web linux/arm64',
  image: 'web',
  platform: 'linux/arm64',
  state: 'pending',
  attempt: 2,
  notBefore: null,
  leaseUntil: null,
  startedAt: null,
  finishedAt: null,
  failure: null,
  pastFailures: [],
  result: null,
};

function specOf(
  planned: Partial<Build['plan']['images'][number]>,
  changed: Partial<PlatformBuild>,
) {
  const plan = { ...build.plan, images: [{ ...image, ...planned }] };
  return builderSpec(
    { build: { ...build, plan }, work: [], release: null },
    { ...work, ...changed },
  );
}

test('an attempt takes what the plan says, and pushes to a tag of its own', () => {
  const name = 'b-01hzy3vq8d0000000000000000-web-linux-arm64-a2';
  expect(specOf({}, {})).toMatchObject({
    name,
    destination: `r.test/shop:${name}`,
    buildArgs: image.buildArgs,
    noCache: true,
    timeLimitMs: 60_000,
  });
});

test('what was asked for when the build was accepted holds for each attempt', () => {
  const options = BuildOptions.parse({ compression: 'zstd', cacheTtlHours: 3 });
  expect(specOf({ options }, { attempt: 3 }).options).toEqual(options);
});

test('a plan of before there were options asks for nothing, and names nothing', () => {
  expect(specOf({}, {})).not.toHaveProperty('options');
});

test("an image says its build, its commit and its app; the app's own labels win but over the build", () => {
  const labels = {
    ...image.labels,
    'org.opencontainers.image.title': 'Our shop',
    'hephy-builder.build-id': 'fake',
  };
  expect(specOf({}, {}).labels).toEqual({
    'org.opencontainers.image.title': 'shop',
    'org.opencontainers.image.created': '2026-11-22T10:00:00.000Z',
    'org.opencontainers.image.revision': build.sha,
    'hephy-builder.build-id': build.id,
  });
  expect(specOf({ labels }, {}).labels).toMatchObject({
    'org.opencontainers.image.title': 'Our shop',
    'hephy-builder.build-id': build.id,
  });
});

test('an attempt leaves HTTP/2 alone once one before it failed over it', () => {
  const http2 = { reason: 'Http2Failed' } as const;
  expect(specOf({}, { pastFailures: [{ reason: 'NodeLost' }] })).not.toHaveProperty('http1');
  expect(specOf({}, { pastFailures: [http2] }).http1).toBe(true);
  expect(specOf({}, { pastFailures: [http2, { reason: 'NodeLost' }] }).http1).toBe(true);
});

test('an attempt is given more memory, and another node, after those that failed for want of them', () => {
  const first = { reason: 'NodeLost', node: 'arm-1' } as const;
  const second = { reason: 'OutOfMemory' } as const;
  expect(specOf({}, {})).not.toHaveProperty('moreMemory');
  expect(specOf({}, { pastFailures: [first, first] })).toMatchObject({ avoidNodes: ['arm-1'] });
  expect(specOf({}, { pastFailures: [second] })).not.toHaveProperty('avoidNodes');
  expect(specOf({}, { pastFailures: [first, second] })).toMatchObject({
    moreMemory: true,
    avoidNodes: ['arm-1'],
  });
});
