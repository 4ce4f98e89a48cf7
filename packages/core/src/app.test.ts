import { describe, expect, it } from 'vitest';
import {
  AppName,
  AppSettings,
  BranchName,
  mayUse,
  RepositoryPath,
  TagName,
  type Right,
} from './app.ts';

const accepts = (schema: { safeParse(value: unknown): { success: boolean } }, value: unknown) =>
  schema.safeParse(value).success;

describe('names and paths', () => {
  it.each(['a', 'shop', 'shop-2', 'a'.repeat(63)])('an app may be called %s', (name) => {
    expect(accepts(AppName, name)).toBe(true);
  });

  it.each(['', '2shop', '-shop', 'shop-', 'Shop', 'a_b', 'a/b', '..', 'a'.repeat(64), 'a\n'])(
    'no app may be called %j',
    (name) => {
      expect(accepts(AppName, name)).toBe(false);
    },
  );

  it.each(['main', 'feature/x', 'v1.2', 'a-b_c'])('%s may be the deploy branch', (name) => {
    expect(accepts(BranchName, name)).toBe(true);
  });

  it.each(['', '/a', 'a/', 'a..b', 'a//b', 'a/.b', 'a.lock', 'a.lock/b', 'a b', '-a', 'a.', 'a~1'])(
    '%j may not',
    (name) => {
      expect(accepts(BranchName, name)).toBe(false);
    },
  );

  it.each(['.', 'Dockerfile', 'docker/web.Dockerfile', 'a..b', '.hidden'])(
    '%s is a path inside the repository',
    (path) => {
      expect(accepts(RepositoryPath, path)).toBe(true);
    },
  );

  it.each(['', '/etc/passwd', '..', 'a/../b', '../a', 'a/..', '--file', 'a\nb', 'a\0'])(
    '%j is not',
    (path) => {
      expect(accepts(RepositoryPath, path)).toBe(false);
    },
  );

  it('a tag has at most 128 characters, and begins with a letter, a digit or _', () => {
    expect(accepts(TagName, 'a'.repeat(128))).toBe(true);
    expect(accepts(TagName, 'a'.repeat(129))).toBe(false);
    expect(accepts(TagName, '.a')).toBe(false);
    expect(accepts(TagName, '_A.b-c')).toBe(true);
  });
});

describe('settings', () => {
  it('have defaults for everything', () => {
    expect(AppSettings.parse({})).toEqual({
      deployBranch: null,
      platforms: ['linux/amd64', 'linux/arm64'],
      pushWhileBuilding: 'refuse',
      requireNativeNodes: true,
      waitForNodesSeconds: 0,
      dockerfilePath: 'Dockerfile',
      contextPath: '.',
      target: null,
      buildArgs: {},
      labels: {},
      imageFormat: null,
      compression: null,
      compressionLevel: null,
      snapshotMode: null,
      cacheRepository: null,
      cacheTtlHours: null,
      movingTag: 'latest',
      publishIndex: false,
      timeLimitSeconds: 1800,
      hookUrl: null,
    });
  });

  it.each([
    { plattforms: [] },
    { platforms: [] },
    { buildArgs: { '1X': 'y' } },
    { buildArgs: { X: 'a\0b' } },
    { labels: { 'a b': 'c' } },
    { hookUrl: 'file:///etc/passwd' },
    { hookUrl: 'no address' },
    { timeLimitSeconds: 5 },
    { waitForNodesSeconds: 1201 },
    { target: '--help' },
  ])('refuse %j', (settings) => {
    expect(accepts(AppSettings, settings)).toBe(false);
  });
});

const user = (right: Right | undefined) => ({ operator: false, right });

describe('rights', () => {
  it('include the ones before them', () => {
    expect(mayUse(user('reader'), 'reader')).toBe(true);
    expect(mayUse(user('reader'), 'deployer')).toBe(false);
    expect(mayUse(user('owner'), 'deployer')).toBe(true);
    expect(mayUse(user(undefined), 'reader')).toBe(false);
  });

  it('are all held by an operator', () => {
    expect(mayUse({ operator: true, right: undefined }, 'owner')).toBe(true);
  });
});
