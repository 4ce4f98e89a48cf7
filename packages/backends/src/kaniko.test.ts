import { BuildOptions, type ContainerInput } from '@hephy/core';
import { expect, test } from 'vitest';
import { parseKanikoConfig, type KanikoConfig, type KanikoSettings } from './kaniko-config.ts';
import { kanikoContainer } from './kaniko.ts';

const input: ContainerInput = {
  platform: 'linux/arm64',
  contextDirectory: '/workspace',
  contextPath: '.',
  dockerfilePath: 'Dockerfile',
  target: null,
  buildArgs: {},
  labels: {},
  destination: 'registry.example.com/team/shop:b-1-web-linux-arm64-a1',
  noCache: false,
  digestFile: '/dev/termination-log',
};
const image = 'registry.example.com/kaniko:v1.27.5';

function configOf(settings: Partial<KanikoSettings> = {}): KanikoConfig {
  const parsed = parseKanikoConfig({ image, version: '1.27.5', ...settings });
  if (!parsed.ok) throw new Error(parsed.problems.join('; '));
  return parsed.config;
}

interface Asked {
  readonly input?: Partial<ContainerInput>;
  readonly options?: Partial<BuildOptions>;
  readonly settings?: Partial<KanikoSettings>;
}

function containerOf({ input: asked, options = {}, settings }: Asked) {
  const whole = { ...input, options: BuildOptions.parse(options), ...asked };
  return kanikoContainer(whole, configOf(settings));
}

/** What a setting, or something that the build asks for, adds to the arguments of a plain build, and what it takes away. */
function difference(asked: Asked) {
  const plain = kanikoContainer(input, configOf()).args;
  const changed = containerOf(asked).args;
  return {
    added: changed.filter((argument) => !plain.includes(argument)),
    gone: plain.filter((argument) => !changed.includes(argument)),
  };
}

test('a plain build pushes the one tag of its attempt, and reports the digest', () => {
  expect(kanikoContainer(input, configOf())).toEqual({
    image,
    args: [
      '--context=dir:///workspace',
      '--dockerfile=/workspace/Dockerfile',
      '--destination=registry.example.com/team/shop:b-1-web-linux-arm64-a1',
      '--digest-file=/dev/termination-log',
      '--cache=false',
      '--snapshot-mode=full',
      '--force',
      '--skip-push-permission-check',
      '--ignore-path=/product_uuid',
      '--push-retry=3',
      '--image-download-retry=3',
      '--image-fs-extract-retry=2',
      '--log-format=text',
    ],
    environment: { FF_KANIKO_COPY_AS_ROOT: 'true', FF_KANIKO_OCI_SCRATCH_BASE: 'true' },
  });
});

test.each<[string, Asked, string[]]>([
  ['a target', { input: { target: 'final' } }, ['--target=final']],
  ['a target that CSV would split', { input: { target: 'a,"b"' } }, ['--target="a,""b"""']],
  [
    'a context below the top',
    { input: { contextPath: './services//web/', dockerfilePath: 'deploy/web.Dockerfile' } },
    ['--context=dir:///workspace/services/web', '--dockerfile=/workspace/deploy/web.Dockerfile'],
  ],
  [
    'a folder named as a protocol',
    { input: { contextPath: 'git://a' } },
    ['--context=dir:///workspace/git:/a'],
  ],
  [
    'a node of another platform',
    { input: { foreignNode: true } },
    ['--custom-platform=linux/arm64'],
  ],
  [
    'a variant, which no node label tells',
    { input: { platform: 'linux/arm/v7' }, settings: { version: '1.27.6' } },
    ['--custom-platform=linux/arm/v7'],
  ],
  [
    'a cache per architecture',
    { settings: { cacheRepository: '${REPOSITORY}/cache-${ARCH}' } },
    ['--cache=true', '--cache-repo=registry.example.com/team/shop/cache-arm64'],
  ],
  [
    'a cache in a folder',
    { settings: { cacheRepository: 'oci:/cache/${OS}-${ARCH}', cacheClaim: 'layers' } },
    ['--cache=true', '--cache-repo=oci:/cache/linux-arm64'],
  ],
  [
    "the app's own cache before the operator's, and how long it holds",
    {
      options: { cacheRepository: '${REPOSITORY}/cache-${ARCH}', cacheTtlHours: 48 },
      settings: { cacheRepository: 'r.example/c/${ARCH}' },
    },
    ['--cache=true', '--cache-repo=registry.example.com/team/shop/cache-arm64', '--cache-ttl=48h'],
  ],
  [
    'no cache where there is one',
    {
      input: { noCache: true },
      options: { cacheTtlHours: 48 },
      settings: { cacheRepository: 'r.example/c/${ARCH}' },
    },
    [],
  ],
  [
    'zstd, in the format of the base before 1.28',
    { options: { compression: 'zstd', compressionLevel: 9 } },
    ['--compression=zstd', '--compression-level=9'],
  ],
  [
    'zstd, always in OCI from 1.28 on',
    { options: { compression: 'zstd' }, settings: { version: '1.28.0' } },
    ['--compression=zstd', '--image-format=oci'],
  ],
  [
    'gzip',
    { options: { compression: 'gzip', compressionLevel: 1 } },
    ['--compression=gzip', '--compression-level=1'],
  ],
  [
    'an image format',
    { options: { imageFormat: 'docker' }, settings: { version: '1.28.3' } },
    ['--image-format=docker'],
  ],
  ['a snapshot mode', { options: { snapshotMode: 'redo' } }, ['--snapshot-mode=redo']],
  [
    "a mirror of Docker Hub, under kaniko's own name of it",
    { settings: { mirrors: [{ from: 'docker.io', to: 'mirror.example/hub', insecure: false }] } },
    ['--registry-map=index.docker.io=mirror.example/hub', '--skip-default-registry-fallback'],
  ],
  [
    'a mirror that nobody vouches for',
    { settings: { mirrors: [{ from: 'quay.io', to: '10.0.0.1:5000/quay', insecure: true }] } },
    [
      '--registry-map=quay.io=10.0.0.1:5000/quay',
      '--skip-default-registry-fallback',
      '--insecure-registry=10.0.0.1:5000',
      '--skip-tls-verify-registry=10.0.0.1:5000',
    ],
  ],
  [
    'registries that speak http',
    { settings: { plainRegistries: ['registry.local:5000', 'docker.io'] } },
    ['--insecure-registry=registry.local:5000', '--insecure-registry=index.docker.io'],
  ],
  [
    'a destination on loopback',
    { input: { destination: '127.0.0.1:5000/shop:b-1' } },
    ['--destination=127.0.0.1:5000/shop:b-1', '--insecure-registry=127.0.0.1:5000'],
  ],
])('%s is told to the executor', (_, asked, added) => {
  expect(difference(asked).added).toEqual(added);
});

test('a cache that is not wanted is not read either', () => {
  const cacheRepository = 'registry.example.com/cache/${ARCH}';
  expect(difference({ settings: { cacheRepository } }).gone).toEqual(['--cache=false']);
  const { args, environment } = kanikoContainer(
    { ...input, noCache: true },
    configOf({ cacheRepository }),
  );
  expect(args.filter((argument) => argument.startsWith('--cache'))).toEqual(['--cache=false']);
  expect(environment).not.toHaveProperty('FF_KANIKO_ROLLING_CACHE_KEY');
});

test('arguments and labels are one word each, byte for byte, whatever they hold', () => {
  const value = `-x --y=z,a #1 'a' "b"\n second \${HOME} é`;
  const { args } = kanikoContainer(
    {
      ...input,
      buildArgs: { A: value, EMPTY: '' },
      labels: { 'org.opencontainers.image.title': value },
    },
    configOf(),
  );
  expect(args).toEqual(
    expect.arrayContaining([
      `--build-arg=A=${value}`,
      '--build-arg=EMPTY=',
      `--label=org.opencontainers.image.title=${value}`,
    ]),
  );
});

test('a user value is never an option of its own', () => {
  const evil = '--registry-map=docker.io=evil.example';
  const { args } = kanikoContainer(
    {
      ...input,
      target: evil,
      buildArgs: { A: evil },
      labels: { a: evil },
      dockerfilePath: evil,
      contextPath: evil,
    },
    configOf(),
  );
  expect(args).not.toContain(evil);
  expect(args).toContain(`--dockerfile=/workspace/${evil}`);
});

test('what has no flag comes by the environment', () => {
  const http1 = {
    FF_KANIKO_COPY_AS_ROOT: 'true',
    FF_KANIKO_OCI_SCRATCH_BASE: 'true',
    FF_KANIKO_DISABLE_HTTP2: 'true',
  };
  expect(containerOf({ input: { http1: true } }).environment).toEqual(http1);
  expect(containerOf({ settings: { http1: true } }).environment).toEqual(http1);
  expect(
    containerOf({ options: { imageFormat: 'docker' }, settings: { version: '1.28.0' } })
      .environment,
  ).toEqual({ FF_KANIKO_COPY_AS_ROOT: 'true' });
  expect(
    containerOf({ settings: { cacheRepository: 'r.example/cache/${ARCH}' } }).environment,
  ).toEqual({
    FF_KANIKO_COPY_AS_ROOT: 'true',
    FF_KANIKO_OCI_SCRATCH_BASE: 'true',
    FF_KANIKO_ROLLING_CACHE_KEY: 'true',
    FF_KANIKO_HASH_DIR_FRAMING: 'true',
    FF_KANIKO_CROSS_REPO_MOUNT: 'true',
  });
  expect(
    containerOf({ settings: { telemetryUrl: 'http://spans:4318', version: '1.28.2' } }).environment,
  ).toEqual({
    FF_KANIKO_COPY_AS_ROOT: 'true',
    FF_KANIKO_OCI_SCRATCH_BASE: 'true',
    KANIKO_TELEMETRY_ENDPOINT: 'http://spans:4318',
    KANIKO_TELEMETRY_OMIT_DOCKERFILE: 'true',
  });
});

test('a platform that the executor would mislabel is not started', () => {
  expect(() => kanikoContainer({ ...input, platform: 'linux/arm/v7' }, configOf())).toThrow(
    /kaniko 1\.27\.5 writes a wrong architecture into images for linux\/arm\/v7/,
  );
});

test('a format that the executor cannot choose is not started', () => {
  expect(() => containerOf({ options: { imageFormat: 'oci' } })).toThrow(
    /kaniko 1\.27\.5 cannot choose the image format oci; use kaniko 1\.28\.0 or later/,
  );
});

test('an executor that failed stays as long as the operator wants, and tells its exit code after it', () => {
  const debug = `${image}-debug`;
  const { command, args } = containerOf({ settings: { image: debug, lingerSeconds: 600 } });
  expect(command).toEqual([
    '/busybox/sh',
    '-c',
    '/kaniko/executor "$@" || { code=$?; sleep "$0"; exit $code; }',
    '600',
  ]);
  expect(args).toEqual(kanikoContainer(input, configOf()).args);
});

test('a cache in a folder and authorities of its own are mounted', () => {
  const settings = {
    cacheRepository: 'oci:/cache/${ARCH}',
    cacheClaim: 'layers',
    authorities: 'our-authorities',
  };
  const { args, mounts, environment } = containerOf({ settings });
  expect(args).toContain('--cache-repo=oci:/cache/arm64');
  expect(mounts).toEqual([
    { path: '/cache', from: { claim: 'layers' } },
    { path: '/kaniko/authorities', from: { configMap: 'our-authorities' } },
  ]);
  expect(environment).toMatchObject({
    SSL_CERT_DIR: '/kaniko/ssl/certs:/kaniko/authorities',
  });
});

/** `executor --help` of 1.27.5. */
const knownFlags = `
annotation build-arg cache cache-copy-layers cache-dir cache-repo cache-run-layers cache-ttl
cleanup compressed-caching compression compression-level context context-sub-path
credential-helpers custom-platform destination digest-file dockerfile dryrun force
force-build-metadata git help ignore-path ignore-var-run image-download-retry
image-fs-extract-retry image-name-tag-with-digest-file image-name-with-digest-file insecure
insecure-pull insecure-registry kaniko-dir label log-format log-timestamp materialize no-push
no-push-cache oci-layout-path pre-cleanup preserve-context push-ignore-immutable-tag-errors
push-retry registry-certificate registry-client-cert registry-map registry-mirror reproducible
secret single-snapshot skip-default-registry-fallback skip-push-permission-check
skip-tls-verify skip-tls-verify-pull skip-tls-verify-registry skip-unused-stages 
snapshot-mode tar-path target use-new-run verbosity
`;

test('every flag is one that executor 1.27.5 knows', () => {
  const { args } = containerOf({
    input: { target: 'final', foreignNode: true, buildArgs: { A: '1' }, labels: { a: '1' } },
    options: { compression: 'zstd', compressionLevel: 3, cacheTtlHours: 1 },
    settings: {
      cacheRepository: 'oci:/cache/${ARCH}',
      cacheClaim: 'layers',
      mirrors: [{ from: 'docker.io', to: 'mirror.example', insecure: true }],
    },
  });
  const known = new Set(knownFlags.split(/\s+/));
  const names = args.map((argument) => /^--([a-z-]+)(?:=|$)/.exec(argument)?.[1] ?? argument);
  expect(names.filter((name) => !known.has(name))).toEqual([]);
});
