/**
 * The KubeJob of one platform build, as a pure function of what is asked: so a worker that comes later makes the same,
 * finds it under its name, and knows by the hash whether it is the same. Source of the fields: batch/v1 Job, v1 Pod.
 */
import type { BuilderContainer } from '@hephy/core';
import type { BuilderSpec } from '../driver.ts';

export const managedBy = 'app.kubernetes.io/managed-by=hephy-builder';
export const specHashAnnotation = 'hephy-builder/spec-sha256';
/** The platform as the record writes it: a label may not hold a slash. */
export const platformAnnotation = 'hephy-builder/platform';
export const canceledAnnotation = 'hephy-builder/canceled';
export const buildContainer = 'build';
export const sourceContainer = 'source';

const workspace = '/workspace';
/** Below the volume's own directory, which is root's: what fetches the source is not root. */
export const contextDirectory = `${workspace}/context`;
export const digestFile = '/dev/termination-log';

/** Of one key: the URL that the source is fetched from. */
export const sourceUrlKey = 'source-url';
/** Of one key: the registry credentials of the builder, as `docker login` stores them. */
export const credentialsKey = 'config.json';

export interface JobOptions {
  /** Our own image, with `hephy fetch-source`. */
  readonly sourceImage: string;
  readonly resources: Readonly<Record<'requests' | 'limits', Readonly<Record<string, string>>>>;
  readonly tolerations: readonly Toleration[];
  readonly imagePullSecrets: readonly string[];
  /** Of a cloud's workload identity; without one the builder has no identity at all. */
  readonly serviceAccountName: string | undefined;
  /** Whether the Secret holds `credentialsKey`. */
  readonly hasCredentials: boolean;
  /** Where the builder looks for it. */
  readonly credentialsDirectory: string;
}

/** As a Pod has it. Without a key it tolerates every taint; without an effect, every effect. */
export interface Toleration {
  readonly key?: string;
  readonly operator?: 'Exists' | 'Equal';
  readonly value?: string;
  readonly effect?: 'NoSchedule' | 'PreferNoSchedule' | 'NoExecute';
}

/** Kubernetes by itself waits five minutes for a node that does not answer. */
const silentNode = ['not-ready', 'unreachable'].map((taint) => ({
  key: `node.kubernetes.io/${taint}`,
  operator: 'Exists',
  effect: 'NoExecute',
  tolerationSeconds: 30,
}));

/** A proxy beside the builder would keep its pod alive after its end. */
const noSidecar = { 'sidecar.istio.io/inject': 'false' };

/** Scheduling, pulling and fetching come on top of the time limit of the steps. */
export const startWithinSeconds = 1_800;
/** How long a result waits for a worker to come and read it. */
const keptSeconds = 24 * 3_600;

export function kubeJob(
  input: { spec: BuilderSpec; container: BuilderContainer; hash: string },
  options: JobOptions,
): object {
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
        metadata: { labels: { ...labels, ...noSidecar } },
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

function podSpec(
  { spec, container }: { spec: BuilderSpec; container: BuilderContainer },
  activeDeadlineSeconds: number,
  options: JobOptions,
): object {
  const [os = '', architecture = ''] = spec.platform.split('/');
  const { serviceAccountName, imagePullSecrets, tolerations } = options;
  return {
    restartPolicy: 'Never',
    activeDeadlineSeconds,
    terminationGracePeriodSeconds: 2,
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    ...(serviceAccountName && { serviceAccountName }),
    ...(imagePullSecrets.length > 0 && {
      imagePullSecrets: imagePullSecrets.map((name) => ({ name })),
    }),
    nodeSelector: { 'kubernetes.io/os': os, 'kubernetes.io/arch': architecture },
    tolerations: [...tolerations, ...silentNode],
    securityContext: { seccompProfile: { type: 'RuntimeDefault' } },
    initContainers: [sourceContainerOf(spec, options)],
    containers: [buildContainerOf(container, options)],
    volumes: [
      { name: 'workspace', emptyDir: {} },
      ...(options.hasCredentials ? [credentialsVolume(spec.name)] : []),
    ],
  };
}

function credentialsVolume(secretName: string): object {
  const items = [{ key: credentialsKey, path: credentialsKey }];
  return { name: 'credentials', secret: { secretName, items, defaultMode: 0o444 } };
}

/** Fetches the commit's files. It needs no rights at all: the builder, which runs as root, takes them as they are. */
function sourceContainerOf({ name, source }: BuilderSpec, { sourceImage }: JobOptions): object {
  return {
    name: sourceContainer,
    image: sourceImage,
    args: ['fetch-source'],
    terminationMessagePolicy: 'FallbackToLogsOnError',
    env: [
      ...environmentOf({
        HEPHY_SOURCE_SHA256: source.sha256,
        HEPHY_SOURCE_SIZE_BYTES: String(source.sizeBytes),
        HEPHY_SOURCE_DIRECTORY: contextDirectory,
        HEPHY_TERMINATION_LOG: '/dev/termination-log',
      }),
      {
        name: 'HEPHY_SOURCE_URL',
        valueFrom: { secretKeyRef: { name, key: sourceUrlKey } },
      },
    ],
    securityContext: {
      runAsUser: 65_532,
      runAsGroup: 65_532,
      runAsNonRoot: true,
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    },
    resources: {
      requests: { cpu: '50m', memory: '96Mi' },
      limits: { memory: '512Mi' },
    },
    volumeMounts: [{ name: 'workspace', mountPath: workspace }],
  };
}

function buildContainerOf(
  { image, args, environment }: BuilderContainer,
  { resources, hasCredentials, credentialsDirectory }: JobOptions,
): object {
  return {
    name: buildContainer,
    image,
    args,
    env: environmentOf(environment),
    resources,
    volumeMounts: [
      { name: 'workspace', mountPath: workspace },
      ...(hasCredentials
        ? [{ name: 'credentials', mountPath: credentialsDirectory, readOnly: true }]
        : []),
    ],
  };
}

function environmentOf(variables: Readonly<Record<string, string>>): object[] {
  return Object.entries(variables).map(([name, value]) => ({ name, value }));
}
