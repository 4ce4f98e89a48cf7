import type { PlatformNodes } from '@hephy/core';
import { expect, test } from 'vitest';
import { suggestPlatforms, type SuggestionInput } from './suggest-platforms.ts';

const amd64: PlatformNodes = { platform: 'linux/amd64', nodes: 2, readyNodes: 2, failure: null };
const arm64: PlatformNodes = { platform: 'linux/arm64', nodes: 1, readyNodes: 1, failure: null };
const notReady: PlatformNodes = {
  ...arm64,
  readyNodes: 0,
  failure: { reason: 'NodesUnavailable', platform: 'linux/arm64', detail: 'a is not ready' },
};
const arm: PlatformNodes = { ...arm64, platform: 'linux/arm' };
const base = ['linux/amd64', 'linux/arm64', 'linux/s390x'];
const unready = 'no node takes the linux/arm64 builder: a is not ready';

interface Case {
  readonly has: string[];
  readonly nodes?: PlatformNodes[];
  readonly base?: readonly string[] | null;
  readonly settings?: Partial<SuggestionInput['settings']>;
  /** Suggested ones begin with `+`. */
  readonly told: string[];
}

const cases: Record<string, Case> = {
  'nodes and base in common': {
    has: ['linux/amd64'],
    nodes: [amd64, arm64],
    base,
    told: [
      '+ linux/amd64: 2 ready nodes; the base images are for it',
      '+ linux/arm64: 1 ready node; the base images are for it',
      '- linux/s390x: no node is linux/s390x; the base images are for it',
    ],
  },
  'what the base images are not for': {
    has: ['linux/amd64', 'linux/arm64'],
    nodes: [amd64, arm64],
    base: ['linux/amd64'],
    told: [
      '+ linux/amd64: 2 ready nodes; the base images are for it',
      '- linux/arm64: 1 ready node; the base images are not for it',
    ],
  },
  'what has no ready node': {
    has: ['linux/amd64', 'linux/arm64'],
    nodes: [amd64, notReady],
    base,
    told: [
      '+ linux/amd64: 2 ready nodes; the base images are for it',
      `- linux/arm64: ${unready}; the base images are for it`,
      '- linux/s390x: no node is linux/s390x; the base images are for it',
    ],
  },
  'an app whose builds wait for nodes': {
    has: ['linux/arm64'],
    nodes: [notReady],
    base: ['linux/arm64'],
    settings: { waitForNodesSeconds: 60 },
    told: [
      `+ linux/arm64: ${unready}, but the app's builds wait for one; the base images are for it`,
    ],
  },
  'an app that is built without native nodes': {
    has: ['linux/s390x'],
    nodes: [amd64],
    base: ['linux/s390x'],
    settings: { requireNativeNodes: false },
    told: [
      '+ linux/s390x: no node is linux/s390x, but the app may be built without one; the base images are for it',
      '- linux/amd64: 2 ready nodes; the base images are not for it',
    ],
  },
  'an app without a build': {
    has: ['linux/amd64'],
    nodes: [amd64, arm64],
    told: [
      '+ linux/amd64: 2 ready nodes; no build has told yet for which platforms the base images are',
      '- linux/arm64: 1 ready node; no build has told yet for which platforms the base images are',
    ],
  },
  'a Dockerfile that begins with scratch': {
    has: ['linux/amd64'],
    nodes: [amd64],
    base: null,
    told: [
      '+ linux/amd64: 2 ready nodes; its Dockerfile begins with nothing that says for which platforms it is',
    ],
  },
  'a service that no worker has looked around in': {
    has: ['linux/amd64'],
    base,
    told: [
      '+ linux/amd64: no worker has looked for nodes yet; the base images are for it',
      '- linux/arm64: no worker has looked for nodes yet; the base images are for it',
      '- linux/s390x: no worker has looked for nodes yet; the base images are for it',
    ],
  },
  'nodes that say no variant, and an older variant in the base': {
    has: ['linux/arm/v7'],
    nodes: [arm],
    base: ['linux/arm/v6'],
    told: ['+ linux/arm/v7: 1 ready node; the base images are for it'],
  },
  'a node of a platform that nothing is built for': {
    has: ['linux/amd64'],
    nodes: [amd64, { ...arm64, platform: 'undefined/undefined' }],
    base: ['linux/amd64'],
    told: ['+ linux/amd64: 2 ready nodes; the base images are for it'],
  },
};

test.each(Object.entries(cases))('%s', (_, { has, nodes, settings, told, ...asked }) => {
  const suggestions = suggestPlatforms({
    settings: { platforms: has, requireNativeNodes: true, waitForNodesSeconds: 0, ...settings },
    seen: nodes && { platforms: nodes, seenAt: new Date(0) },
    basePlatforms: asked.base,
  });
  const lines = suggestions.map(({ platform, suggested, why }) => {
    return `${suggested ? '+' : '-'} ${platform}: ${why}`;
  });
  expect(lines).toEqual(told);
});

test('what is known is told apart from what is not', () => {
  const settings = { platforms: ['linux/amd64'], requireNativeNodes: true, waitForNodesSeconds: 0 };
  const unknown = { settings, seen: undefined, basePlatforms: undefined };
  const [first] = suggestPlatforms(unknown);
  expect(first).toMatchObject({ inSettings: true, readyNodes: null, inBase: null });
  const seen = { platforms: [notReady], seenAt: new Date(0) };
  const [, second] = suggestPlatforms({ ...unknown, seen, basePlatforms: base });
  expect(second).toMatchObject({ inSettings: false, readyNodes: 0, inBase: true });
});
