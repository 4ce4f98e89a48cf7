/** Values that operators give the chart, for the tests of what it makes of them. */

/** All that is needed. */
export const least = {
  image: 'registry.example.com/hephy:1',
  kaniko: { image: 'registry.example.com/kaniko:v1.27.5' },
  registry: { address: 'registry.example.com/apps' },
  receiver: { publicUrl: 'https://git.example.com' },
  api: { publicUrl: 'https://hephy.example.com' },
  database: { url: 'postgres://hephy:secret@db.example.com/hephy' },
  redis: { url: 'redis://redis.example.com:6379' },
};

/** A first look: everything in the cluster. */
export const trial = {
  ...least,
  database: {},
  redis: { enabled: true },
  postgresql: { enabled: true },
};

/** Every secret is the operator's own; nothing else is as it is at first. */
export const everything = {
  ...least,
  imagePullSecrets: ['pull'],
  certificates: '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n',
  kaniko: { ...least.kaniko, debug: true },
  registry: {
    ...least.registry,
    existingSecret: 'publisher',
    builder: { existingSecret: 'builder' },
  },
  database: { existingSecret: 'database', key: 'uri' },
  redis: { existingSecret: 'redis', key: 'uri' },
  operator: { existingSecret: 'operator' },
  builds: {
    namespace: 'their-builds',
    quota: { pods: '20', 'limits.memory': '64Gi' },
    cache: { size: '100Gi', storageClass: 'nfs' },
    imagePullSecrets: ['pull', 'mirror'],
    pullSecret: 'reader',
    serviceAccount: { name: 'puller', annotations: { 'cloud.example.com/role': 'images' } },
  },
  networkPolicies: {
    builds: {
      except: ['10.96.0.0/12', 'fd00::/8'],
      egress: [{ to: [{ namespaceSelector: { matchLabels: { name: 'registry' } } }] }],
    },
  },
  receiver: {
    ...least.receiver,
    service: { type: 'LoadBalancer', annotations: { 'cloud.example.com/internal': 'true' } },
    storage: { existingClaim: 'repositories' },
    serviceAccountAnnotations: { 'cloud.example.com/role': 'sources' },
  },
  worker: { replicas: 3, serviceAccountAnnotations: { 'cloud.example.com/role': 'sources' } },
  sources: {
    s3: { bucket: 'sources', prefix: 'hephy/', existingSecret: 's3', spool: { size: '5Gi' } },
  },
  publisher: { replicas: 2 },
  api: { ...least.api, replicas: 2, service: { type: 'NodePort', nodePort: 30_081 } },
  nodeSelector: { 'kubernetes.io/os': 'linux' },
  tolerations: [{ key: 'build', operator: 'Exists', effect: 'NoSchedule' }],
  settings: { HEPHY_MAX_PUSH_MB: 9_999_999, HEPHY_SHUTDOWN_SECONDS: 60, HEPHY_LOG_LEVEL: 'debug' },
};

/** No password for a registry: a cloud knows the pods. */
export const known = {
  ...least,
  registry: { ...least.registry, credentialHelper: 'ecr-login' },
  publisher: { serviceAccountAnnotations: { 'cloud.example.com/role': 'publisher' } },
  worker: { serviceAccountAnnotations: { 'cloud.example.com/role': 'builders' } },
};

/** Every secret is written into the values. */
export const written = {
  ...least,
  registry: {
    ...least.registry,
    username: 'ada',
    password: 'a"$b',
    builder: { username: 'builder', password: 'c' },
  },
  builds: { pullSecret: 'reader' },
  operator: { token: `hephy_${'x'.repeat(43)}` },
  sources: { s3: { bucket: 'sources', accessKeyId: 'id', secretAccessKey: 'key' } },
};

/** Workers on other nodes than the receiver, on a volume that all of them mount. */
export const shared = {
  ...least,
  sources: { storage: { accessMode: 'ReadWriteMany', storageClass: 'nfs', size: '50Gi' } },
  networkPolicies: { enabled: false },
  builds: { createNamespace: false },
};
