import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createRegistryClient } from '@hephy/registry';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { makeCertificate } from '../../../../test/parts/certificate.ts';
import { writeLayout } from '../../../../test/parts/image-layout.ts';
import {
  registryLogin,
  startRegistry,
  type TestRegistry,
} from '../../../../test/parts/registry.ts';

const program = fileURLToPath(new URL('../../../../bin/hephy', import.meta.url));

let folder: string;
let registry: TestRegistry;
let digest: string;
let terminationLog: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hephy-push-layout-'));
  registry = await startRegistry({ login: true });
  digest = (await writeLayout(join(folder, 'layout'))).manifest;
  await writeFile(join(folder, 'push.json'), JSON.stringify(registryLogin));
});
afterAll(async () => {
  await registry.stop();
  await rm(folder, { recursive: true, force: true });
});
beforeEach(async () => {
  terminationLog = join(await mkdtemp(join(folder, 'pod-')), 'termination-log');
});

const credentials = () => Promise.resolve(registryLogin);

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly lastWords: string;
}

async function pushLayout(environment: Readonly<Record<string, string>> = {}): Promise<Ended> {
  const env = {
    PATH: process.env['PATH'],
    HEPHY_LAYOUT_DIRECTORY: join(folder, 'layout'),
    HEPHY_LAYOUT_PLATFORM: 'linux/amd64',
    HEPHY_LAYOUT_DESTINATION: `${registry.host}/shop:b-1`,
    HEPHY_LAYOUT_PLAIN_HTTP: 'true',
    HEPHY_LAYOUT_CREDENTIALS: join(folder, 'push.json'),
    HEPHY_TERMINATION_LOG: terminationLog,
    ...environment,
  };
  const said = await new Promise<Omit<Ended, 'lastWords'>>((resolve) => {
    const child = execFile(program, ['push-layout'], { env }, (_, stdout, stderr) =>
      resolve({ code: child.exitCode ?? -1, stdout, stderr }),
    );
  });
  return { ...said, lastWords: await readFile(terminationLog, 'utf8') };
}

describe('hephy push-layout', () => {
  it('pushes the image, and leaves the digest that the registry has', async () => {
    const pushed = await pushLayout();
    expect(pushed).toMatchObject({ code: 0, stderr: '', lastWords: digest });
    expect(pushed.stdout).toMatch(/^pushed sha256:\w{64}, \d+ bytes, in .* m?s\n$/);
    const client = createRegistryClient({ registry: registry.host, credentials });
    expect(await client.headManifest('shop', 'b-1')).toMatchObject({ digest });
    await client.close();
  });

  it('trusts the authorities that it is given, and no others', async () => {
    const { certificate, key } = await makeCertificate('127.0.0.1');
    const authorities = join(folder, 'authorities');
    await mkdir(join(authorities, '..data'), { recursive: true });
    await writeFile(join(authorities, 'ours.pem'), certificate);
    await writeFile(join(folder, 'key.pem'), key);
    const tls = { certificate: join(authorities, 'ours.pem'), key: join(folder, 'key.pem') };
    const closed = await startRegistry({ login: true, tls });
    const environment = {
      HEPHY_LAYOUT_DESTINATION: `${closed.host}/shop:b-1`,
      HEPHY_LAYOUT_PLAIN_HTTP: 'false',
    };
    const distrusted = await pushLayout(environment);
    expect(distrusted.lastWords).toMatch(/^RegistryUnavailable: .*self-signed certificate/);
    const HEPHY_LAYOUT_AUTHORITIES = authorities;
    const pushed = await pushLayout({ ...environment, HEPHY_LAYOUT_AUTHORITIES });
    expect(pushed).toMatchObject({ code: 0, lastWords: digest });
    await closed.stop();
  });

  it.each<[string, Record<string, string>, RegExp]>([
    [
      'another platform',
      { HEPHY_LAYOUT_PLATFORM: 'linux/arm64' },
      /^PlatformMismatch: the image built/,
    ],
    ['no layout', { HEPHY_LAYOUT_DIRECTORY: '/nowhere' }, /^LayoutInvalid: the layout is missing$/],
    [
      'no password',
      { HEPHY_LAYOUT_CREDENTIALS: '' },
      /^InternalError: not as expected: HEPHY_LAYOUT_CREDENTIALS$/,
    ],
    [
      'no tag',
      { HEPHY_LAYOUT_DESTINATION: 'shop' },
      /^InternalError: not as expected: HEPHY_LAYOUT_DESTINATION$/,
    ],
    [
      'no registry',
      { HEPHY_LAYOUT_DESTINATION: 'registry.invalid/shop:b-1' },
      /^RegistryUnavailable: /,
    ],
  ])('with %s ends with the reason as its last word', async (_, environment, words) => {
    const refused = await pushLayout(environment);
    expect(refused).toMatchObject({ code: 1, stdout: '', stderr: `${refused.lastWords}\n` });
    expect(refused.lastWords).toMatch(words);
  });

  it.each(['{"username": "ada", "password": hunter2}', '{"username": "ada", "pass": "hunter2"}'])(
    'never tells what is in a file of credentials that it cannot use',
    async (text) => {
      const file = join(folder, 'broken.json');
      await writeFile(file, text);
      const refused = await pushLayout({ HEPHY_LAYOUT_CREDENTIALS: file });
      expect(refused.lastWords).toBe(`InternalError: ${file} holds no username and password`);
      expect(refused.stderr).not.toContain('hunter2');
    },
  );
});
