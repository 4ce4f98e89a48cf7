/**
 * The KubeJob of one platform build, as a pure function of what is asked: so a worker that comes later makes the same,
 * finds it under its name, and knows by the hash whether it is the same. Source of the fields: batch/v1 Job.
 */
import type { Failure } from '@hephy/core';
import type { BuilderSpec } from '../driver.ts';
import { buildContainer, identityLabels, podSpec } from './pod-spec.ts';
import type { BuilderPod, JobOptions } from './pod-spec.ts';

export const managedBy = 'app.kubernetes.io/managed-by=hephy-builder';
export const specHashAnnotation = 'hephy-builder/spec-sha256';
/** The platform as the record writes it: a label may not hold a slash. */
export const platformAnnotation = 'hephy-builder/platform';
export const canceledAnnotation = 'hephy-builder/canceled';
/** Why we have ended it ourselves, as JSON: known to whoever reads it, though who wrote it has gone. */
export const failureAnnotation = 'hephy-builder/failure';

/** A proxy beside the builder would keep its pod alive after its end. */
const noSidecar = { 'sidecar.istio.io/inject': 'false' };

/** Scheduling, pulling and fetching come on top of the time limit of the steps. */
export const startWithinSeconds = 1_800;
/** How long a result waits for a worker to come and read it. */
const keptSeconds = 24 * 3_600;

export function kubeJob(input: BuilderPod & { hash: string }, options: JobOptions): object {
  const { spec, hash } = input;
  const labels = labelsOf(spec);
  const limitSeconds = Math.ceil(spec.timeLimitMs / 1000);
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      name: spec.name,
      labels,
      annotations: { [specHashAnnotation]: hash, [platformAnnotation]: spec.platform },
    },
    spec: {
      // Retries are the record's: a second pod here would be an attempt that nobody counts.
      backoffLimit: 0,
      podFailurePolicy: {
        rules: [{ action: 'FailJob', onPodConditions: [{ type: 'DisruptionTarget' }] }],
      },
      activeDeadlineSeconds: limitSeconds + startWithinSeconds,
      ttlSecondsAfterFinished: keptSeconds,
      template: {
        metadata: { labels: { ...labels, ...noSidecar, ...identityLabels(options) } },
        spec: podSpec(input, limitSeconds, options),
      },
    },
  };
}

/** What takes the name of a builder that is canceled before it was made: it has no pods, and never will. */
export function canceledJob(name: string): object {
  const containers = [{ name: buildContainer, image: 'none' }];
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      name,
      labels: { 'app.kubernetes.io/managed-by': 'hephy-builder' },
      annotations: { [canceledAnnotation]: 'true' },
    },
    spec: {
      suspend: true,
      backoffLimit: 0,
      ttlSecondsAfterFinished: keptSeconds,
      template: { spec: { restartPolicy: 'Never', containers } },
    },
  };
}

export const cancelPatch = {
  metadata: { annotations: { [canceledAnnotation]: 'true' } },
  spec: { suspend: true },
};

export function failPatch(failure: Failure): object {
  const annotations = {
    [canceledAnnotation]: 'true',
    [failureAnnotation]: JSON.stringify(failure),
  };
  return { ...cancelPatch, metadata: { annotations } };
}

/** The Secret of the same name, which goes with its KubeJob. */
export function builderSecret(input: {
  readonly spec: BuilderSpec;
  /** Of the KubeJob. */
  readonly uid: string;
  readonly values: Readonly<Record<string, string>>;
}): object {
  const { spec, uid, values } = input;
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    type: 'Opaque',
    immutable: true,
    metadata: {
      name: spec.name,
      labels: labelsOf(spec),
      ownerReferences: [{ apiVersion: 'batch/v1', kind: 'Job', name: spec.name, uid }],
    },
    stringData: values,
  };
}

function labelsOf(spec: BuilderSpec): Record<string, string> {
  return {
    'app.kubernetes.io/managed-by': 'hephy-builder',
    'hephy-builder/app': spec.appName,
    'hephy-builder/build': spec.buildId.toLowerCase(),
    'hephy-builder/platform': spec.platform.replaceAll('/', '-'),
  };
}
