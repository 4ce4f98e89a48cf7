/**
 * The variables of the service, as data: `readEnvironment` parses by them, and `docs/configuration.md` is generated from
 * them. `expects` completes the sentence "set it to …".
 */
import { z } from 'zod';
import {
  collectorUrl,
  count,
  imageReference,
  kubernetesName,
  list,
  listenAddress,
  megabytes,
  mirrors,
  registryAddress,
  secret,
  tolerations,
  url,
} from './environment-schemas.ts';

export interface Variable<T> {
  readonly about: string;
  readonly expects: string;
  /** What holds when the variable is not set, as it would be written; undefined when there is nothing then. */
  readonly fallback?: string;
  /** Never shown, and readable from the file that `<name>_FILE` names. */
  readonly secret?: true;
  readonly schema: z.ZodType<T>;
}

export const variables = {
  HEPHY_DATA: {
    about: 'Where repositories, sources, logs and the embedded servers keep their data.',
    expects: 'a directory',
    fallback: '.hephy',
    schema: z.string().min(1),
  },
  HEPHY_DATABASE_URL: {
    about:
      'The PostgreSQL server that holds the record. Without it: an embedded one, under HEPHY_DATA.',
    expects: 'postgres://user:password@host:5432/database',
    secret: true,
    schema: secret(url('postgres:', 'postgresql:')),
  },
  HEPHY_REDIS_URL: {
    about: 'The Redis server for work and live output. Without it: an embedded one.',
    expects: 'redis://host:6379 or rediss://user:password@host:6379',
    secret: true,
    schema: secret(url('redis:', 'rediss:')),
  },
  HEPHY_REGISTRY: {
    about: 'The registry that images go to. Without it: an embedded one.',
    expects: 'host[:port][/prefix], such as registry.example.com/apps',
    schema: registryAddress,
  },
  HEPHY_REGISTRY_PLAIN_HTTP: {
    about: 'Whether the registry is spoken to without TLS.',
    expects: 'true or false',
    fallback: 'false',
    schema: z.stringbool(),
  },
  HEPHY_REGISTRY_USERNAME: {
    about:
      'Who the publisher is to the registry; and the builders, unless they have a user of their own.',
    expects: 'a user name; HEPHY_REGISTRY_PASSWORD has to be set with it',
    schema: z.string().min(1),
  },
  HEPHY_REGISTRY_PASSWORD: {
    about: 'The password or token of that user.',
    expects: 'a password; HEPHY_REGISTRY_USERNAME has to be set with it',
    secret: true,
    schema: secret(z.string().min(1)),
  },
  HEPHY_REGISTRY_CREDENTIAL_HELPER: {
    about:
      'In place of that user: the program `docker-credential-<name>` on the PATH, which turns the identity of this machine or pod into one. Builders on this machine then need HEPHY_BUILDER_USERNAME.',
    expects: 'a name such as ecr-login',
    schema: z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/),
  },
  HEPHY_BUILDER_USERNAME: {
    about:
      "Who the builders are to the registry: a user who may push tags named b-…, and need not be able to move a release's. Steps of a Dockerfile can come to hold what builders hold.",
    expects: 'a user name; HEPHY_BUILDER_PASSWORD has to be set with it',
    schema: z.string().min(1),
  },
  HEPHY_BUILDER_PASSWORD: {
    about: 'The password or token of that user.',
    expects: 'a password; HEPHY_BUILDER_USERNAME has to be set with it',
    secret: true,
    schema: secret(z.string().min(1)),
  },
  HEPHY_S3_BUCKET: {
    about:
      "Where the commits' files are kept. Without it: a folder under HEPHY_DATA, which receiver and workers have to share.",
    expects: 'the name of a bucket',
    schema: z.string().regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/),
  },
  HEPHY_S3_PREFIX: {
    about: 'What their names begin with, in a bucket that others use too.',
    expects: 'folders, such as hephy/sources/',
    fallback: '',
    schema: z
      .string()
      .max(200)
      .regex(/^(?:[A-Za-z0-9][\w.-]*\/)*$/),
  },
  HEPHY_S3_REGION: {
    about: 'The region of the bucket.',
    expects: 'a region such as eu-central-1',
    fallback: 'us-east-1',
    schema: z.string().regex(/^[\w-]{1,64}$/),
  },
  HEPHY_S3_ENDPOINT: {
    about: 'The S3 server that has the bucket. Without it: AWS.',
    expects: 'http://host:port or https://host',
    schema: url('http:', 'https:'),
  },
  HEPHY_S3_ACCESS_KEY_ID: {
    about:
      "Who receiver and workers are to that server. Without it: what AWS's own programs find, such as the role of a pod's service account.",
    expects: 'the id of a key; HEPHY_S3_SECRET_ACCESS_KEY has to be set with it',
    schema: z.string().min(1),
  },
  HEPHY_S3_SECRET_ACCESS_KEY: {
    about: 'The secret of that key.',
    expects: 'a key; HEPHY_S3_ACCESS_KEY_ID has to be set with it',
    secret: true,
    schema: secret(z.string().min(1)),
  },
  HEPHY_DRIVER: {
    about:
      'Where platform builds run: `local` is this machine, with buildah; `kubernetes` a cluster, with kaniko.',
    expects: 'local or kubernetes',
    fallback: 'local',
    schema: z.enum(['local', 'kubernetes']),
  },
  HEPHY_KUBECONFIG: {
    about: 'How to reach the cluster. Without it: the service account of our own pod.',
    expects: 'a kubeconfig file',
    schema: z.string().min(1),
  },
  HEPHY_NAMESPACE: {
    about: 'The namespace of the cluster in which builds run; nothing else should.',
    expects: 'the name of a namespace',
    fallback: 'hephy-builds',
    schema: z.string().regex(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/),
  },
  HEPHY_IMAGE: {
    about: 'The image of hephy-builder itself: in each pod of a build it fetches the source.',
    expects: 'an image reference that the cluster can pull',
    schema: imageReference,
  },
  HEPHY_KANIKO_IMAGE: {
    about: 'The image of the kaniko executor.',
    expects: 'an image reference that the cluster can pull',
    schema: imageReference,
  },
  HEPHY_KANIKO_VERSION: {
    about: 'The version of that executor: what it cannot do is refused, not tried.',
    expects: 'a version such as 1.27.5',
    fallback: '1.27.5',
    schema: z.string().regex(/^\d+\.\d+\.\d+$/),
  },
  HEPHY_KANIKO_HTTP1: {
    about: 'Whether the executor leaves HTTP/2 alone, for registries that it is too much for.',
    expects: 'true or false',
    fallback: 'false',
    schema: z.stringbool(),
  },
  HEPHY_KANIKO_LINGER_SECONDS: {
    about:
      'How long an executor that failed stays, for `kubectl exec`, before its build fails. Its image has to be the debug image.',
    expects: 'a number from 1 to 999',
    schema: count,
  },
  HEPHY_KANIKO_TELEMETRY_URL: {
    about:
      'The OpenTelemetry collector that the executor sends a span for each step to, over OTLP/HTTP, from kaniko 1.28.2 on. Spans leave the Dockerfile out, but not what its steps say.',
    expects: 'http://host:port or https://host[/path], without user, query or slash at the end',
    schema: collectorUrl,
  },
  HEPHY_CACHE_REPOSITORY: {
    about:
      'Where builders in a cluster keep layers of apps that name no place of their own. Whoever may push to an app of one place decides what the others of it are built from: leave ${REPOSITORY} in. Steps that hold what pushes (HEPHY_ISOLATION=together) can write to every place in the registry.',
    expects: 'a template such as ${REPOSITORY}/cache-${ARCH}, or oci:/cache/${REPOSITORY}/${ARCH}',
    schema: z.string().min(1).max(500),
  },
  HEPHY_CACHE_CLAIM: {
    about:
      'The PersistentVolumeClaim, in the namespace of builds, that a cache under oci:/cache is in. The steps of every Dockerfile can write all of it: it is for apps that trust each other.',
    expects: 'the name of a claim that many pods may write to',
    schema: kubernetesName,
  },
  HEPHY_CERTIFICATES: {
    about:
      'The ConfigMap, in the namespace of builds, with the certificates of authorities that builders trust beside the usual ones. For our own processes there is NODE_EXTRA_CA_CERTS.',
    expects: 'the name of a ConfigMap of PEM files',
    schema: kubernetesName,
  },
  HEPHY_ISOLATION: {
    about:
      'Whether the steps of a Dockerfile run in the container that pushes, in a cluster: `together` is faster, and lets them write to the cache repositories of all apps; `split` keeps what pushes away from them. Without it: `split`, unless builders have a user of their own or the registry asks for nothing.',
    expects: 'together or split',
    schema: z.enum(['together', 'split']),
  },
  HEPHY_BUILDER_PULL_CONFIG: {
    about:
      'What builders in a cluster read base images with. Steps of a Dockerfile can read it: name users who may only pull.',
    expects: 'a docker config.json with auths and credHelpers',
    secret: true,
    schema: secret(z.string().min(2).max(65_536)),
  },
  HEPHY_BUILDER_SERVICE_ACCOUNT: {
    about:
      "The service account of builders' pods, for a cloud's workload identity. Steps of a Dockerfile share it: with `split` let it only pull.",
    expects: 'the name of a service account of HEPHY_NAMESPACE',
    schema: kubernetesName,
  },
  HEPHY_IMAGE_PULL_SECRETS: {
    about: 'What nodes pull HEPHY_IMAGE and HEPHY_KANIKO_IMAGE with.',
    expects: 'a list of names of Secrets of HEPHY_NAMESPACE',
    fallback: '',
    schema: list.pipe(z.array(kubernetesName)),
  },
  HEPHY_BUILDER_DISK: {
    about: 'The most that one platform build may write in the cluster.',
    expects: 'a quantity of Kubernetes such as 20Gi',
    fallback: '20Gi',
    schema: z.string().regex(/^[1-9]\d*(?:Mi|Gi)$/),
  },
  HEPHY_BUILDER_MEMORY: {
    about: 'The most memory that one platform build may take in the cluster.',
    expects: 'a quantity of Kubernetes such as 4Gi, 256Mi at least',
    fallback: '4Gi',
    // Builders ask a node for 256Mi, and none may ask for more than it may take.
    schema: z.string().regex(/^(?:[1-9]\d*Gi|(?:25[6-9]|2[6-9]\d|[3-9]\d\d|[1-9]\d{3,})Mi)$/),
  },
  HEPHY_BUILDER_TOLERATIONS: {
    about: 'Taints of nodes that builds tolerate.',
    expects: 'a list of key, key=value or key=value:effect',
    fallback: '',
    schema: tolerations,
  },
  HEPHY_BASE_MIRROR: {
    about: 'Where base images are pulled from instead: their names are rewritten before a build.',
    expects: 'a list such as docker.io=mirror.example.com/hub,ghcr.io=mirror.example.com/ghcr',
    fallback: '',
    schema: mirrors,
  },
  HEPHY_LISTEN_GIT: {
    about: 'Where the receiver takes pushes over HTTP.',
    expects: 'host:port; port 0 takes a free one',
    fallback: '127.0.0.1:7080',
    schema: listenAddress,
  },
  HEPHY_LISTEN_API: {
    about: 'Where the REST API listens.',
    expects: 'host:port; port 0 takes a free one',
    fallback: '127.0.0.1:7081',
    schema: listenAddress,
  },
  HEPHY_LISTEN_REGISTRY: {
    about: 'Where the embedded registry listens. It has no accounts: keep it on loopback.',
    expects: 'host:port; port 0 takes a free one',
    fallback: '127.0.0.1:7082',
    schema: listenAddress,
  },
  HEPHY_LISTEN_SOURCES: {
    about: 'Where a worker of the kubernetes driver hands sources to the pods of its builds.',
    expects: 'host:port; port 0 takes a free one',
    fallback: '127.0.0.1:7083',
    schema: listenAddress,
  },
  HEPHY_LISTEN_HEALTH: {
    about: 'Where a worker or publisher that runs by itself answers /livez and /readyz.',
    expects: 'host:port; port 0 takes a free one',
    schema: listenAddress,
  },
  HEPHY_PUBLIC_GIT_URL: {
    about: "The address of the receiver as users reach it. Without it: the receiver's own.",
    expects: 'http://host:port or https://host',
    schema: url('http:', 'https:'),
  },
  HEPHY_PUBLIC_API_URL: {
    about: "The address of the API as users reach it. Without it: the API's own.",
    expects: 'http://host:port or https://host',
    schema: url('http:', 'https:'),
  },
  HEPHY_PUBLIC_SOURCES_URL: {
    about: "The address of the sources as pods reach it. Without it: the worker's own.",
    expects: 'http://host:port or https://host',
    schema: url('http:', 'https:'),
  },
  HEPHY_HOOK_ALLOW: {
    about: 'Hosts, addresses and ranges that release hooks may reach although they are not public.',
    expects: 'a list such as deployer.internal,10.1.0.0/16',
    fallback: '',
    schema: list,
  },
  HEPHY_MAX_PUSH_MB: {
    about: 'The largest pack that one push may send.',
    expects: 'megabytes, a number from 1 to 9999999',
    fallback: '1024',
    schema: megabytes,
  },
  HEPHY_MAX_SOURCE_MB: {
    about: "The largest that a commit's files may be, unpacked.",
    expects: 'megabytes, a number from 1 to 9999999',
    fallback: '4096',
    schema: megabytes,
  },
  HEPHY_WORKER_CONCURRENCY: {
    about: 'Platform builds that one worker runs at once.',
    expects: 'a number from 1 to 999',
    fallback: '4',
    schema: count,
  },
  HEPHY_PUBLISHER_CONCURRENCY: {
    about:
      'Publications, preflights of those, and deliveries that one publisher runs at once, of each.',
    expects: 'a number from 1 to 999',
    fallback: '8',
    schema: count,
  },
  HEPHY_SHUTDOWN_SECONDS: {
    about: 'The longest that a stop may take before the process ends anyway.',
    expects: 'a number from 1 to 999',
    fallback: '20',
    schema: count,
  },
  HEPHY_CONFIG: {
    about:
      "Where the command line keeps the servers that it knows and a token for each: the user's own file.",
    expects: 'a file; without it: hephy/config.json under XDG_CONFIG_HOME or ~/.config',
    schema: z.string().min(1),
  },
  HEPHY_LOG_LEVEL: {
    about: 'The least severe lines that are logged.',
    expects: 'fatal, error, warn, info, debug, trace or silent',
    fallback: 'info',
    schema: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']),
  },
} as const satisfies Record<string, Variable<unknown>>;

export type VariableName = keyof typeof variables;

/** One row of the documentation. */
export interface VariableFacts {
  readonly name: string;
  readonly about: string;
  readonly expects: string;
  readonly fallback: string | undefined;
  readonly secret: boolean;
}

export const environmentTable: readonly VariableFacts[] = Object.entries<Variable<unknown>>(
  variables,
).map(([name, { about, expects, fallback, secret = false }]) => ({
  name,
  about,
  expects,
  fallback,
  secret,
}));
