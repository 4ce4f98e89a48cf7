/** Who reaches whom under the chart's NetworkPolicies: each pod that it makes, a builder as the driver makes it, pods of
 *  others, and what is outside. */
import { describe, expect, test } from 'vitest';
import { installed, ofCluster, outside, reachedBy, whoReaches } from './chart-network.ts';
import { trial } from './chart-values.ts';

const roles = ['api', 'publisher', 'receiver', 'worker'];

test('without NetworkPolicies everybody reaches everything', async () => {
  const { policies, pods, ports } = await installed({
    ...trial,
    networkPolicies: { enabled: false },
  });
  expect(policies).toEqual([]);
  const everybody = Object.keys(pods).toSorted();
  const askable = { ...ports, ...outside, ...ofCluster };
  const whoever = Object.keys(askable).map((name) => [name, everybody]);
  expect(await whoReaches(askable, { policies, pods })).toEqual(Object.fromEntries(whoever));
});

test('users reach the receiver and the API, builders the worker, and the roles their servers', async () => {
  const { policies, pods, ports } = await installed(trial);
  const everybody = Object.keys(pods).toSorted();
  expect(await whoReaches(ports, { policies, pods })).toEqual({
    'receiver:git': everybody,
    'api:api': everybody,
    'worker:sources': ['builder'],
    'worker:health': [],
    'publisher:health': [],
    'postgresql:postgresql': roles,
    'redis:redis': roles,
    'builder:8080': [],
  });
});

describe('a builder', () => {
  test("reaches what is public, and no cloud's metadata service", async () => {
    const { policies, builder } = await installed(trial);
    const reached = await reachedBy(builder, outside, policies);
    expect(reached).toEqual(['public', 'public by IPv6', 'public names']);
  });

  test('reaches none of the ranges that are named, but for names, its source and the registry', async () => {
    const registry = {
      namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'images' } },
    };
    const builds = {
      except: ['10.244.0.0/16', '10.96.0.0/12', '10.0.0.0/24', 'fd00:244::/64'],
      egress: [{ to: [registry] }],
    };
    const values = { ...trial, networkPolicies: { builds }, builds: { namespace: 'their-builds' } };
    const { policies, builder, ports } = await installed(values, 'their-builds');
    const askable = { ...ports, ...outside, ...ofCluster };
    expect(await reachedBy(builder, askable, policies)).toEqual([
      'names of the cluster',
      'public',
      'public by IPv6',
      'public names',
      'registry',
      'worker:sources',
    ]);
  });

  test('reaches what a rule of its own allows, even a metadata service', async () => {
    const egress = [{ to: [{ ipBlock: { cidr: '169.254.169.254/32' } }] }];
    const values = { ...trial, networkPolicies: { builds: { egress } } };
    const { policies, builder } = await installed(values);
    const reached = await reachedBy(builder, outside, policies);
    expect(reached).toContain('metadata 169.254.169.254');
    expect(reached).not.toContain('metadata 169.254.170.2');
  });
});
