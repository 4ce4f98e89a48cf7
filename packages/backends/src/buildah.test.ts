import { expect, test } from 'vitest';
import type { CommandInput } from '@hephy/core';
import { buildahCommands } from './buildah.ts';

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
