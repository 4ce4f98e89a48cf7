import { expect, test } from 'vitest';
import type { PreflightInput } from '../driver.ts';
import { checkNodes, Node, platformsOf } from './preflight.ts';
import type { Toleration } from './pod-spec.ts';

interface Made {
  readonly architecture?: string;
  readonly os?: string;
  readonly ready?: string;
  readonly unschedulable?: boolean;
  readonly taints?: readonly object[];
}

/** As the API server answers it, with fields that we do not read. */
function node(name: string, made: Made = {}): Node {
  const { architecture = 'amd64', os = 'linux', ready = 'True', unschedulable, taints } = made;
  return Node.parse({
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, labels: { 'kubernetes.io/os': os, 'kubernetes.io/arch': architecture } },
    spec: { podCIDR: '10.0.0.0/24', unschedulable, taints },
    status: {
      conditions: [
        { type: 'MemoryPressure', status: 'False' },
        { type: 'Ready', status: ready },
      ],
      images: [],
    },
  });
}

const gpu = { key: 'gpu', value: 'yes', effect: 'NoSchedule' };
const arm = { architecture: 'arm64' };

function check(
  nodes: readonly Node[],
  changes: Partial<PreflightInput> & { tolerations?: readonly Toleration[] } = {},
) {
  const platforms = ['linux/arm64'];
  return checkNodes(nodes, { platforms, requireNativeNodes: true, tolerations: [], ...changes });
}

const passed = { ok: true, warnings: [] };
const refused = (reason: string, detail: string) => ({
  ok: false,
  failure: { reason, platform: 'linux/arm64', detail },
});

test('a ready node of each platform is enough, however the others are', () => {
  const nodes = [node('a'), node('b', arm), node('c', { ...arm, ready: 'False' })];
  expect(check(nodes, { platforms: ['linux/amd64', 'linux/arm64/v8'] })).toEqual(passed);
});

test.each<[string, readonly Node[], string]>([
  ['no nodes at all', [], 'the cluster has no nodes'],
  [
    'nodes of others',
    [node('a'), node('b'), node('c', { os: 'windows' })],
    'its nodes are linux/amd64, windows/amd64',
  ],
])('%s: the platform is not native', (_, nodes, detail) => {
  expect(check(nodes)).toEqual(refused('PlatformNotNative', detail));
});

test.each<[string, Made, string]>([
  ['not ready', { ready: 'False' }, 'a is not ready'],
  ['silent', { ready: 'Unknown' }, 'a is not ready'],
  ['cordoned', { unschedulable: true }, 'a is cordoned'],
  ['tainted', { taints: [gpu] }, 'a has the taint gpu=yes'],
  ['tainted without a value', { taints: [{ key: 'x', effect: 'NoExecute' }] }, 'a has the taint x'],
])('the only node is %s', (_, made, detail) => {
  expect(check([node('a', { ...arm, ...made })])).toEqual(refused('NodesUnavailable', detail));
});

test('a taint that only asks for another node is none', () => {
  const taints = [{ ...gpu, effect: 'PreferNoSchedule' }];
  expect(check([node('a', { ...arm, taints })])).toEqual(passed);
});

test.each<[Toleration, boolean]>([
  [{ key: 'gpu', operator: 'Exists' }, true],
  [{ key: 'gpu', operator: 'Equal', value: 'yes' }, true],
  [{ key: 'gpu', value: 'yes', effect: 'NoSchedule' }, true],
  [{ operator: 'Exists' }, true],
  [{ key: 'gpu', value: 'no' }, false],
  [{ key: 'gpu', operator: 'Exists', effect: 'NoExecute' }, false],
  [{ key: 'other', operator: 'Exists' }, false],
])('%j tolerates the taint gpu=yes: %s', (toleration, tolerated) => {
  const nodes = [node('a', { ...arm, taints: [gpu] })];
  expect(check(nodes, { tolerations: [toleration] }).ok).toBe(tolerated);
});

test('of many nodes a few are told', () => {
  const nodes = Array.from({ length: 1000 }, (_, at) => node(`n${at}`, { ...arm, ready: 'False' }));
  const told = ['n0', 'n1', 'n2', 'n3', 'n4'].map((name) => `${name} is not ready`).join('; ');
  expect(check(nodes)).toEqual(refused('NodesUnavailable', `${told}; and 995 more`));
});

test('where nodes come by themselves, what is not there is waited for, with a line that says so', () => {
  const cordoned = node('b', { ...arm, unschedulable: true });
  expect(check([node('a')], { waitForNodesMs: 600_000 })).toEqual({
    ok: true,
    warnings: [
      'no ready node takes linux/arm64 now (its nodes are linux/amd64); its build waits up to 10m 00s for one',
    ],
  });
  expect(check([cordoned], { waitForNodesMs: 30_000, requireNativeNodes: false })).toEqual({
    ok: true,
    warnings: [
      'no ready node takes linux/arm64 now (b is cordoned); its build waits up to 30.0 s for one',
    ],
  });
});

test('where nodes need not be native, another ready node is enough, with a warning', () => {
  expect(check([node('a')], { requireNativeNodes: false })).toEqual({
    ok: true,
    warnings: [
      'no ready node takes linux/arm64 now (its nodes are linux/amd64); on another one RUN steps fail, COPY-only Dockerfiles work',
    ],
  });
  const unfit = [node('a', { ready: 'False' }), node('w', { os: 'windows' })];
  expect(check(unfit, { requireNativeNodes: false })).toMatchObject({ ok: false });
});

const platformRefusal = (platform: string) =>
  platform.startsWith('windows/') ? 'kaniko builds for linux alone' : undefined;

test('each platform that nodes are of is told with how many take builders, and why none does', () => {
  const nodes = [
    node('b', { ...arm, ready: 'False' }),
    node('a'),
    node('c', { taints: [gpu] }),
    node('d', { unschedulable: true }),
    node('w', { os: 'windows' }),
  ];
  const tolerations = [{ key: 'gpu', operator: 'Exists' as const }];
  expect(platformsOf(nodes, { tolerations, platformRefusal })).toEqual([
    { platform: 'linux/amd64', nodes: 3, readyNodes: 2, failure: null },
    {
      platform: 'linux/arm64',
      nodes: 1,
      readyNodes: 0,
      failure: refused('NodesUnavailable', 'b is not ready').failure,
    },
    {
      platform: 'windows/amd64',
      nodes: 1,
      readyNodes: 1,
      failure: {
        reason: 'PlatformUnsupported',
        platform: 'windows/amd64',
        detail: 'kaniko builds for linux alone',
      },
    },
  ]);
});
