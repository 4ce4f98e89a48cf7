/**
 * The pod of a builder. Where the builder pushes by itself (`together`), it is what fetches the source, then the backend:
 *
 *   source ─▶ build
 *
 * Where the steps of a Dockerfile must not come near the right to push (`split`), the backend only leaves an image, and a
 * container of ours takes it from there, when nothing of the backend runs any more:
 *
 *   source ─▶ build ─(image layout)─▶ push
 *
 * All but the last are init containers: the kubelet keeps their order, and starts none after one that failed.
 * Source of the fields: core/v1 Pod.
 */
import type { BuilderContainer, Mount } from '@hephy/core';
import type { BuilderSpec } from '../driver.ts';
import { affinityOf, resourcesFor } from './next-attempt.ts';

export const sourceContainer = 'source';
export const buildContainer = 'build';
export const pushContainer = 'push';

export type Isolation = 'together' | 'split';

const workspace = '/workspace';
/** Below the volume's own directory, which is root's: what fetches the source is not root. */
export const contextDirectory = `${workspace}/context`;
/** Below the backend's own directory: no Dockerfile has business there, and nothing of it gets into the image. */
export const layoutDirectory = '/kaniko/layout';
export const digestFile = '/dev/termination-log';

/** Keys of the builder's Secret. The URL that the source is fetched from. */
export const sourceUrlKey = 'source-url';
/** What the backend may pull, and push if it does, as `docker login` stores it. */
export const dockerConfigKey = 'config.json';
/** What `push` pushes with: `username` and `password`, as JSON. */
export const pushCredentialsKey = 'push.json';

export interface JobOptions {
  /** Our own image, with `hephy fetch-source` and `hephy push-layout`. */
  readonly ownImage: string;
  readonly resources: {
    /** Of what is not said here, Kubernetes asks the node for all of the limit. */
    readonly requests: Readonly<Record<string, string>>;
    /** That of `ephemeral-storage` holds for all that the pod writes. */
    readonly limits: Readonly<Record<'memory' | 'ephemeral-storage', string>>;
  };
  readonly tolerations: readonly Toleration[];
  readonly imagePullSecrets: readonly string[];
  /** Of a cloud's workload identity, which all containers of the pod share; without one they have none. */
  readonly serviceAccountName: string | undefined;
  readonly isolation: Isolation;
  /** Whether `push` speaks to the registry without TLS. */
  readonly plainHttp: boolean;
  /** A ConfigMap of PEM files: authorities that `push` trusts beside the usual ones. */
  readonly authorities: string | undefined;
  /** Where the backend looks for `dockerConfigKey`. */
  readonly credentialsDirectory: string;
}

export interface BuilderPod {
  readonly spec: BuilderSpec;
  readonly container: BuilderContainer;
  /** The keys of its Secret. */
  readonly secretKeys: readonly string[];
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

/** Azure gives an identity only to pods that ask for it; the other clouds look at the service account alone. */
export function identityLabels({ serviceAccountName }: JobOptions): Record<string, string> {
  return serviceAccountName === undefined ? {} : { 'azure.workload.identity/use': 'true' };
}

export function podSpec(
  pod: BuilderPod,
  activeDeadlineSeconds: number,
  options: JobOptions,
): object {
  const [os = '', architecture = ''] = pod.spec.platform.split('/');
  const { serviceAccountName, imagePullSecrets, tolerations, isolation } = options;
  const affinity = affinityOf(pod.spec);
  const source = sourceContainerOf(pod.spec, options);
  const build = buildContainerOf(pod, options);
  const containers =
    isolation === 'split'
      ? { initContainers: [source, build], containers: [pushContainerOf(pod, options)] }
      : { initContainers: [source], containers: [build] };
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
    ...(affinity && { affinity }),
    tolerations: [...tolerations, ...silentNode],
    securityContext: { seccompProfile: { type: 'RuntimeDefault' } },
    ...containers,
    volumes: volumesOf(pod, options),
  };
}

const volumes = {
  workspace: { name: 'workspace', mountPath: workspace },
  layout: { name: 'layout', mountPath: layoutDirectory },
  pushCredentials: { name: 'push-credentials', mountPath: '/hephy/credentials', readOnly: true },
  authorities: { name: 'push-authorities', mountPath: '/hephy/authorities', readOnly: true },
};

function volumesOf(
  { spec, container: { mounts = [] }, secretKeys }: BuilderPod,
  { isolation, resources, authorities }: JobOptions,
): object[] {
  const emptyDir = { sizeLimit: resources.limits['ephemeral-storage'] };
  const isSplit = isolation === 'split';
  return [
    { name: volumes.workspace.name, emptyDir },
    ...mounts.map(mountedVolume),
    ...(isSplit ? [{ name: volumes.layout.name, emptyDir }] : []),
    ...(isSplit && authorities !== undefined
      ? [{ name: volumes.authorities.name, configMap: { name: authorities } }]
      : []),
    ...(secretKeys.includes(dockerConfigKey)
      ? [secretVolume('credentials', spec.name, dockerConfigKey)]
      : []),
    ...(secretKeys.includes(pushCredentialsKey)
      ? [secretVolume(volumes.pushCredentials.name, spec.name, pushCredentialsKey)]
      : []),
  ];
}

function mountedVolume({ from }: Mount, place: number): object {
  const name = mountName(place);
  return 'claim' in from
    ? { name, persistentVolumeClaim: { claimName: from.claim } }
    : { name, configMap: { name: from.configMap } };
}

function mountName(place: number): string {
  return `mount-${place}`;
}

function secretVolume(name: string, secretName: string, key: string): object {
  return { name, secret: { secretName, items: [{ key, path: key }], defaultMode: 0o400 } };
}

/** A container of ours, which runs the command and can do nothing else. */
function ownContainer(
  { name, command, user }: { name: string; command: string; user: number },
  { ownImage }: JobOptions,
) {
  return {
    name,
    image: ownImage,
    args: [command],
    terminationMessagePolicy: 'FallbackToLogsOnError',
    securityContext: {
      runAsUser: user,
      runAsGroup: user,
      ...(user !== 0 && { runAsNonRoot: true }),
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    },
    resources: {
      requests: { cpu: '50m', memory: '96Mi' },
      limits: { memory: '512Mi' },
    },
  };
}

/** Fetches the commit's files. It needs no rights at all: the builder, which runs as root, takes them as they are. */
function sourceContainerOf({ name, source }: BuilderSpec, options: JobOptions): object {
  return {
    ...ownContainer({ name: sourceContainer, command: 'fetch-source', user: 65_532 }, options),
    env: [
      ...environmentOf({
        HEPHY_SOURCE_SHA256: source.sha256,
        HEPHY_SOURCE_SIZE_BYTES: String(source.sizeBytes),
        HEPHY_SOURCE_DIRECTORY: contextDirectory,
        HEPHY_TERMINATION_LOG: digestFile,
      }),
      {
        name: 'HEPHY_SOURCE_URL',
        valueFrom: { secretKeyRef: { name, key: sourceUrlKey } },
      },
    ],
    volumeMounts: [volumes.workspace],
  };
}

function buildContainerOf(
  { spec, container, secretKeys }: BuilderPod,
  options: JobOptions,
): object {
  const { isolation, credentialsDirectory } = options;
  const { image, command, args, environment, mounts = [] } = container;
  return {
    name: buildContainer,
    image,
    ...(command && { command }),
    args,
    env: environmentOf(environment),
    resources: resourcesFor(spec, options),
    volumeMounts: [
      volumes.workspace,
      ...mounts.map(({ path, from }, place) => ({
        name: mountName(place),
        mountPath: path,
        readOnly: 'configMap' in from,
      })),
      ...(isolation === 'split' ? [volumes.layout] : []),
      ...(secretKeys.includes(dockerConfigKey)
        ? [{ name: 'credentials', mountPath: credentialsDirectory, readOnly: true }]
        : []),
    ],
  };
}

/** Root without any right of root's: the files are root's, and some are for root alone. */
function pushContainerOf({ spec, secretKeys }: BuilderPod, options: JobOptions): object {
  const hasCredentials = secretKeys.includes(pushCredentialsKey);
  const hasAuthorities = options.authorities !== undefined;
  const { mountPath } = volumes.pushCredentials;
  return {
    ...ownContainer({ name: pushContainer, command: 'push-layout', user: 0 }, options),
    env: environmentOf({
      HEPHY_LAYOUT_DIRECTORY: layoutDirectory,
      HEPHY_LAYOUT_PLATFORM: spec.platform,
      HEPHY_LAYOUT_DESTINATION: spec.destination,
      HEPHY_LAYOUT_PLAIN_HTTP: String(options.plainHttp),
      ...(hasCredentials && { HEPHY_LAYOUT_CREDENTIALS: `${mountPath}/${pushCredentialsKey}` }),
      ...(hasAuthorities && { HEPHY_LAYOUT_AUTHORITIES: volumes.authorities.mountPath }),
      HEPHY_TERMINATION_LOG: digestFile,
    }),
    volumeMounts: [
      { ...volumes.layout, readOnly: true },
      ...(hasCredentials ? [volumes.pushCredentials] : []),
      ...(hasAuthorities ? [volumes.authorities] : []),
    ],
  };
}

function environmentOf(variables: Readonly<Record<string, string>>): object[] {
  return Object.entries(variables).map(([name, value]) => ({ name, value }));
}
