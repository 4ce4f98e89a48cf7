import { expect, test } from 'vitest';
import { environmentTable } from './environment-table.ts';
import { readEnvironment, type Environment } from './read-environment.ts';

function problemsOf(
  environment: Environment,
  files: Record<string, string> = {},
): readonly string[] {
  const read = readEnvironment(environment, fileReader(files));
  return read.ok ? [] : read.problems;
}

function fileReader(files: Record<string, string>) {
  return (path: string): string => {
    const content = files[path];
    if (content === undefined) throw Object.assign(new Error('no such file'), { code: 'ENOENT' });
    return content;
  };
}

test('an empty environment is the embedded service', () => {
  const read = readEnvironment({ PATH: '/bin', HEPHY_REDIS_URL: '' });
  expect(read).toMatchObject({
    ok: true,
    settings: {
      dataDirectory: '.hephy',
      databaseUrl: null,
      redisUrl: null,
      registry: null,
      driver: 'local',
      listen: { git: { host: '127.0.0.1', port: 7080 }, api: { host: '127.0.0.1', port: 7081 } },
      baseMirrors: [],
      hookAllow: [],
      workerConcurrency: 4,
      logLevel: 'info',
    },
  });
});

test('every variable is read', () => {
  const read = readEnvironment(
    {
      HEPHY_DATA: '/data',
      HEPHY_DATABASE_URL: 'postgres://hephy:pw@db:5432/hephy',
      HEPHY_REDIS_URL: 'rediss://redis:6379',
      HEPHY_REGISTRY: '[::1]:5000/team/apps',
      HEPHY_REGISTRY_PLAIN_HTTP: 'yes',
      HEPHY_REGISTRY_USERNAME: 'robot',
      HEPHY_REGISTRY_PASSWORD_FILE: '/run/secrets/registry',
      HEPHY_BASE_MIRROR: 'docker.io=mirror:5000/hub, ghcr.io=mirror:5000/ghcr',
      HEPHY_LISTEN_GIT: '0.0.0.0:80',
      HEPHY_LISTEN_API: '[::]:0',
      HEPHY_PUBLIC_GIT_URL: 'https://git.example.com',
      HEPHY_HOOK_ALLOW: '10.0.0.0/8,deployer',
      HEPHY_WORKER_CONCURRENCY: '12',
      HEPHY_SHUTDOWN_SECONDS: '30',
      HEPHY_LOG_LEVEL: 'debug',
    },
    fileReader({ '/run/secrets/registry': 'pass word \n' }),
  );
  expect(read).toMatchObject({
    ok: true,
    settings: {
      dataDirectory: '/data',
      registry: {
        address: '[::1]:5000/team/apps',
        plainHttp: true,
        credentials: { username: 'robot' },
      },
      baseMirrors: [
        { from: 'docker.io', to: 'mirror:5000/hub' },
        { from: 'ghcr.io', to: 'mirror:5000/ghcr' },
      ],
      listen: { git: { host: '0.0.0.0', port: 80 }, api: { host: '::', port: 0 } },
      publicUrls: { git: 'https://git.example.com', api: null },
      hookAllow: ['10.0.0.0/8', 'deployer'],
      workerConcurrency: 12,
      shutdownMs: 30_000,
      logLevel: 'debug',
    },
  });
  const settings = read.ok ? read.settings : undefined;
  expect(settings?.registry?.credentials?.password.reveal()).toBe('pass word ');
  expect(settings?.databaseUrl?.reveal()).toBe('postgres://hephy:pw@db:5432/hephy');
});

test('all problems are told at once, each with the variable and what is expected', () => {
  const problems = problemsOf({
    HEPHY_DATABASE_URL: 'mysql://db',
    HEPHY_REGISTRY: 'https://registry.example.com',
    HEPHY_REGISTRY_PLAIN_HTTP: 'perhaps',
    HEPHY_LISTEN_GIT: '7080',
    HEPHY_WORKER_CONCURRENCY: '0',
    HEPHY_BASE_MIRROR: 'docker.io',
  });
  expect(problems).toEqual([
    'HEPHY_DATABASE_URL is not valid; set it to postgres://user:password@host:5432/database',
    'HEPHY_REGISTRY is not valid; set it to host[:port][/prefix], such as registry.example.com/apps',
    'HEPHY_REGISTRY_PLAIN_HTTP is not valid; set it to true or false',
    expect.stringContaining('HEPHY_BASE_MIRROR'),
    'HEPHY_LISTEN_GIT is not valid; set it to host:port; port 0 takes a free one',
    'HEPHY_WORKER_CONCURRENCY is not valid; set it to a number from 1 to 999',
  ]);
});

test('an unknown variable is told with the nearest known name', () => {
  expect(problemsOf({ HEPHY_REGISTERY: 'x' })).toEqual([
    'HEPHY_REGISTERY is not a variable of ours; did you mean HEPHY_REGISTRY?',
  ]);
  expect(problemsOf({ HEPHY_REDIS_URL_FIEL: 'x' })[0]).toContain('HEPHY_REDIS_URL_FILE');
  expect(problemsOf({ HEPHY_DATA_FILE: 'x' })[0]).toContain('HEPHY_DATA');
});

test('a secret is given once, and its file has to be readable', () => {
  expect(
    problemsOf({ HEPHY_REDIS_URL: 'redis://a', HEPHY_REDIS_URL_FILE: '/f' }, { '/f': 'redis://b' }),
  ).toEqual(['HEPHY_REDIS_URL and HEPHY_REDIS_URL_FILE are both set; set one of them']);
  expect(problemsOf({ HEPHY_DATABASE_URL_FILE: '/missing' })).toEqual([
    'HEPHY_DATABASE_URL_FILE names /missing, which cannot be read (ENOENT); set it to a file with the value',
  ]);
});

test('a user name without a password is a problem, and a secret is in none', () => {
  expect(problemsOf({ HEPHY_REGISTRY_USERNAME: 'robot' })).toHaveLength(1);
  const problems = problemsOf({
    HEPHY_DATABASE_URL: 'db:hunter2',
    HEPHY_REGISTRY_PASSWORD: 'hunter2',
  });
  expect(problems).toHaveLength(2);
  expect(problems.join(' ')).not.toContain('hunter2');
});

test('every variable of the table is described, and its fallback is valid', () => {
  expect(new Set(environmentTable.map(({ name }) => name)).size).toBe(environmentTable.length);
  for (const { name, about, fallback } of environmentTable) {
    expect(about).toMatch(/\.$/);
    expect(problemsOf({ [name]: fallback })).toEqual([]);
  }
});

test('builders may be another user of the registry than the publisher', () => {
  const read = readEnvironment({
    HEPHY_REGISTRY: 'registry.example.com',
    HEPHY_REGISTRY_USERNAME: 'publisher',
    HEPHY_REGISTRY_PASSWORD: 'p',
    HEPHY_BUILDER_USERNAME: 'builder',
    HEPHY_BUILDER_PASSWORD: 'b',
  });
  const registry = read.ok ? read.settings.registry : undefined;
  expect(registry?.credentials?.username).toBe('publisher');
  expect(registry?.builderCredentials?.username).toBe('builder');
  expect(problemsOf({ HEPHY_BUILDER_USERNAME: 'builder' })).toEqual([
    'HEPHY_BUILDER_USERNAME and HEPHY_BUILDER_PASSWORD go together; set the other one too',
  ]);
});

test('builds in a cluster need to be told their images and a registry', () => {
  expect(problemsOf({ HEPHY_DRIVER: 'kubernetes' })).toEqual([
    'HEPHY_DRIVER=kubernetes needs HEPHY_REGISTRY; set it too',
    'HEPHY_DRIVER=kubernetes needs HEPHY_IMAGE; set it too',
    'HEPHY_DRIVER=kubernetes needs HEPHY_KANIKO_IMAGE; set it too',
  ]);
});

test('builds in a cluster can be kept from what pushes', () => {
  const read = readEnvironment({
    HEPHY_ISOLATION: 'split',
    HEPHY_BUILDER_DISK: '5Gi',
    HEPHY_BUILDER_PULL_CONFIG: '{"auths":{}}',
    HEPHY_BUILDER_SERVICE_ACCOUNT: 'puller',
    HEPHY_IMAGE_PULL_SECRETS: 'hub, mirror',
  });
  const kubernetes = read.ok ? read.settings.kubernetes : null;
  expect(kubernetes).toMatchObject({
    isolation: 'split',
    builderDisk: '5Gi',
    builderServiceAccount: 'puller',
    imagePullSecrets: ['hub', 'mirror'],
  });
  expect(kubernetes?.builderPullConfig?.reveal()).toBe('{"auths":{}}');
});

test('a registry knows us by a password or by a program, not by both', () => {
  const HEPHY_REGISTRY_CREDENTIAL_HELPER = 'ecr-login';
  const read = readEnvironment({ HEPHY_REGISTRY: 'r.example', HEPHY_REGISTRY_CREDENTIAL_HELPER });
  expect(read.ok && read.settings.registry?.credentialHelper).toBe('ecr-login');
  const user = { HEPHY_REGISTRY_USERNAME: 'ada', HEPHY_REGISTRY_PASSWORD: 'hunter2' };
  expect(problemsOf({ HEPHY_REGISTRY_CREDENTIAL_HELPER, ...user })).toEqual([
    'HEPHY_REGISTRY_CREDENTIAL_HELPER and HEPHY_REGISTRY_USERNAME are both set; set one of them',
  ]);
});

test('sources lie in a bucket if one is named', () => {
  const read = readEnvironment({
    HEPHY_S3_BUCKET: 'hephy.example',
    HEPHY_S3_PREFIX: 'team/sources/',
    HEPHY_S3_ENDPOINT: 'http://s3:9000',
    HEPHY_S3_ACCESS_KEY_ID: 'key',
    HEPHY_S3_SECRET_ACCESS_KEY: 'hunter2',
  });
  const s3 = read.ok ? read.settings.s3 : null;
  expect(s3).toMatchObject({
    bucket: 'hephy.example',
    prefix: 'team/sources/',
    region: 'us-east-1',
    endpoint: 'http://s3:9000',
  });
  expect(s3?.credentials?.secretAccessKey.reveal()).toBe('hunter2');
  expect(problemsOf({ HEPHY_S3_ENDPOINT: 'http://s3:9000' })).toEqual([
    'HEPHY_S3_ENDPOINT needs HEPHY_S3_BUCKET; set it too',
  ]);
  expect(problemsOf({ HEPHY_S3_BUCKET: 'b-1', HEPHY_S3_SECRET_ACCESS_KEY: 'hunter2' })).toEqual([
    'HEPHY_S3_ACCESS_KEY_ID and HEPHY_S3_SECRET_ACCESS_KEY go together; set the other one too',
  ]);
});

test.each([
  ['HEPHY_S3_BUCKET', 'https://s3.example.com/hephy'],
  ['HEPHY_S3_PREFIX', '../other/'],
  ['HEPHY_S3_PREFIX', 'sources'],
  ['HEPHY_S3_ENDPOINT', 's3.example.com'],
  ['HEPHY_MAX_SOURCE_MB', '5121'],
])('a bucket does not go with %s=%s', (name, value) => {
  const problems = problemsOf({ HEPHY_S3_BUCKET: 'hephy', [name]: value });
  expect(problems).toEqual([expect.stringContaining(name)]);
});

test.each(['http://spans:4318', 'https://[fd00::1]:4318/otlp/v1/traces'])(
  'spans of builds go to %s',
  (url) => {
    const read = readEnvironment({ HEPHY_KANIKO_TELEMETRY_URL: url });
    expect(read.ok && read.settings.kubernetes.kanikoTelemetryUrl).toBe(url);
  },
);

test.each([
  'spans:4318',
  'grpc://spans:4317',
  'http:spans',
  'http:///v1/traces',
  'http://spans:4318/',
  'http://spans:port',
  'http://spans:4318/v1 traces',
  'https://ada:hunter2@spans',
  'https://hunter2@spans',
  'https://spans?key=hunter2',
  'https://spans#hunter2',
  'http://spans\\hunter2',
  'http://spans\n',
  `http://${'a'.repeat(500)}`,
])('no spans are sent to %j, which may be a secret and is not told', (url) => {
  expect(problemsOf({ HEPHY_KANIKO_TELEMETRY_URL: url })).toEqual([
    'HEPHY_KANIKO_TELEMETRY_URL is not valid; set it to http://host:port or https://host[/path], without user, query or slash at the end',
  ]);
});

test('taints are tolerated as kubectl writes them', () => {
  const read = readEnvironment({ HEPHY_BUILDER_TOLERATIONS: 'spot, arch=arm64:NoSchedule' });
  expect(read.ok && read.settings.kubernetes.tolerations).toEqual([
    { key: 'spot', operator: 'Exists' },
    { key: 'arch', operator: 'Equal', value: 'arm64', effect: 'NoSchedule' },
  ]);
  expect(problemsOf({ HEPHY_BUILDER_TOLERATIONS: 'arch:Never' })).toHaveLength(1);
});
