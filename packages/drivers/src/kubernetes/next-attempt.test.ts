import { failureOf } from '@hephy/core';
import { expect, test } from 'vitest';
import { makeSpec } from '../local-driver-parts.ts';
import { affinityOf, resourcesFor, withNode } from './next-attempt.ts';
import { pod } from './pod-states.ts';
import { PodFacts } from './pod-facts.ts';

const spec = makeSpec({ sha256: 'c'.repeat(64), sizeBytes: 10_240 }, {});
const limits = { memory: '4Gi', 'ephemeral-storage': '20Gi' };
const options = { resources: { requests: { memory: '256Mi' }, limits } };

test('after want of memory, a builder may take half as much again, and asks for no more', () => {
  expect(resourcesFor(spec, options)).toEqual(options.resources);
  const more = resourcesFor({ ...spec, moreMemory: true }, options);
  expect(more).toEqual({ ...options.resources, limits: { ...limits, memory: '6Gi' } });
  const odd = { resources: { ...options.resources, limits: { ...limits, memory: '513Mi' } } };
  expect(resourcesFor({ ...spec, moreMemory: true }, odd).limits.memory).toBe('769.5Mi');
});

test('a node that was at fault is avoided where another one takes the pod', () => {
  expect(affinityOf(spec)).toBeUndefined();
  const text = JSON.stringify(affinityOf({ ...spec, avoidNodes: ['arm-1'] }));
  expect(text).toContain('preferredDuringScheduling');
  expect(text).toContain('{"key":"metadata.name","operator":"NotIn","values":["arm-1"]}');
});

test('a failure names its node only where that may be at fault', () => {
  const facts = PodFacts.parse(pod({ phase: 'Failed', nodeName: 'arm-1' }));
  expect(withNode(failureOf('Evicted'), facts)).toEqual({ reason: 'Evicted', node: 'arm-1' });
  expect(withNode(failureOf('BuildFailed'), facts)).toEqual({ reason: 'BuildFailed' });
  expect(withNode(failureOf('NodeLost'), undefined)).toEqual({ reason: 'NodeLost' });
});
