import { expect, test } from 'vitest';
import { BuildOptions, type CommandInput } from '@hephy/core';
import { buildahCommands, buildahOptionRefusal } from './buildah.ts';

const input: CommandInput = {
  platform: 'linux/arm64',
  contextDirectory: '/b/context',
  dockerfilePath: '/b/context/Dockerfile',
  target: null,
  buildArgs: {},
  labels: {},
  destination: '127.0.0.1:5000/shop:b-1-web-linux-arm64-a1',
  noCache: false,
  digestFile: '/b/digest',
  scratchDirectory: '/b/scratch',
  cacheDirectory: '/b/cache',
};
const config = { plainRegistries: [] };

test('a platform build is one build and one push, each with storage of its own', () => {
  const storage = [
    'buildah',
    '--root=/b/cache',
    '--runroot=/b/scratch/run',
    '--short-name-alias-conf=/b/scratch/short-names.conf',
  ];
  const environment = { HOME: '/b/scratch', TMPDIR: '/b/scratch', XDG_RUNTIME_DIR: '/b/scratch' };
  expect(buildahCommands(input, config)).toEqual([
    {
      phase: 'build',
      argv: [
        ...storage,
        'build',
        '--isolation=chroot',
        '--format=oci',
        '--layers=true',
        '--force-rm=true',
        '--platform=linux/arm64',
        '--file=/b/context/Dockerfile',
        '--tag=127.0.0.1:5000/shop:b-1-web-linux-arm64-a1',
        '--',
        '/b/context',
      ],
      environment,
    },
    {
      phase: 'push',
      argv: [
        ...storage,
        'push',
        '--format=oci',
        '--digestfile=/b/digest',
        '--tls-verify=false',
        '--',
        '127.0.0.1:5000/shop:b-1-web-linux-arm64-a1',
        'docker://127.0.0.1:5000/shop:b-1-web-linux-arm64-a1',
      ],
      environment,
    },
  ]);
});

test('arguments, labels and the target are one word each, whatever they hold', () => {
  const value = `-x --y=z #1 'a' "b"\n second`;
  const [build] = buildahCommands(
    { ...input, target: 'final', noCache: true, buildArgs: { A: value }, labels: { 'a.b': value } },
    config,
  );
  expect(build?.argv).toEqual(
    expect.arrayContaining([
      '--target=final',
      '--no-cache',
      `--build-arg=A=${value}`,
      `--label=a.b=${value}`,
    ]),
  );
});

test('a user value is never an option of its own', () => {
  const evil = '--authfile=/etc/passwd';
  const [build, push] = buildahCommands(
    {
      ...input,
      target: evil,
      buildArgs: { A: evil },
      labels: { a: evil },
      dockerfilePath: evil,
      contextDirectory: evil,
    },
    config,
  );
  expect(build?.argv.slice(0, build.argv.indexOf('--'))).not.toContain(evil);
  expect(push?.argv).not.toContain(evil);
});

test.each([
  ['127.0.0.1:5000/shop:a', true],
  ['localhost/shop:a', true],
  ['[::1]:5000/shop:a', true],
  ['registry.local:5000/team/shop:a', true],
  ['registry.example/shop:a', false],
  ['127.0.0.1.example/shop:a', false],
  ['localhost.example:5000/shop:a', false],
])('the push to %s may be in plain http: %s', (destination, plain) => {
  const [, push] = buildahCommands(
    { ...input, destination },
    { plainRegistries: ['registry.local:5000'] },
  );
  expect(push?.argv.includes('--tls-verify=false')).toBe(plain);
});

test('credentials and mirrors come as files', () => {
  const commands = buildahCommands(input, {
    ...config,
    authFilePath: '/etc/hephy/auth.json',
    registriesConfPath: '/etc/hephy/registries.conf',
    storageDriver: 'vfs',
  });
  for (const { argv, environment } of commands) {
    expect(environment).toMatchObject({
      REGISTRY_AUTH_FILE: '/etc/hephy/auth.json',
      CONTAINERS_REGISTRIES_CONF: '/etc/hephy/registries.conf',
    });
    expect(argv).toContain('--storage-driver=vfs');
    expect(argv.join(' ')).not.toContain('auth.json');
  }
});

const withOptions = (options: Partial<BuildOptions>, changes: Partial<CommandInput> = {}) => ({
  ...input,
  options: BuildOptions.parse(options),
  ...changes,
});

const cached = { cacheRepository: '${REPOSITORY}/cache-${ARCH}', cacheTtlHours: 48 };

test.each<[string, CommandInput, { build?: string[]; push?: string[] }]>([
  ['nothing', withOptions({}), {}],
  [
    'a format',
    withOptions({ imageFormat: 'docker' }),
    { build: ['--format=docker'], push: ['--format=v2s2'] },
  ],
  ['zstd', withOptions({ compression: 'zstd' }), { push: ['--compression-format=zstd'] }],
  [
    'a level',
    withOptions({ compression: 'gzip', compressionLevel: 9 }),
    { push: ['--compression-format=gzip', '--compression-level=9'] },
  ],
  [
    'a cache',
    withOptions(cached),
    {
      build: [
        '--cache-from=127.0.0.1:5000/shop/cache-arm64',
        '--cache-to=127.0.0.1:5000/shop/cache-arm64',
        '--cache-ttl=48h',
      ],
    },
  ],
  [
    'a cache, and none this time',
    withOptions(cached, { noCache: true }),
    { build: ['--no-cache'] },
  ],
])('%s is told to buildah', (_, asked, { build = [], push = [] }) => {
  const plain = buildahCommands(input, config).map(({ argv }) => argv);
  const added = buildahCommands(asked, config).map(({ argv }, place) =>
    argv.filter((word) => !plain[place]?.includes(word)),
  );
  expect(added).toEqual([build, push]);
});

const cache = { cacheRepository: '${REPOSITORY}/cache-${ARCH}' };

test.each<[Partial<BuildOptions>, boolean]>([
  [{}, false],
  [{ snapshotMode: 'full' }, false],
  [{ snapshotMode: 'redo' }, true],
  [{ snapshotMode: 'time' }, true],
  [{ ...cache, compression: 'gzip' }, false],
  [{ ...cache, compression: 'zstd' }, true],
  [{ ...cache, compressionLevel: 9 }, true],
])('%j is refused: %s', (options, refused) => {
  const sentence = buildahOptionRefusal(BuildOptions.parse(options));
  expect(sentence !== undefined).toBe(refused);
});
