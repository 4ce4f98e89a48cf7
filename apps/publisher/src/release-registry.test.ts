import { createRegistryClient, type RegistryClient } from '@hephy/registry';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { pushImage } from '../../../test/parts/images.ts';
import { startRegistry, type TestRegistry } from '../../../test/parts/registry.ts';
import {
  createReleaseRegistry,
  type Answer,
  type ReleaseRegistry,
  type VerifiedChild,
} from './release-registry.ts';

const { signal } = new AbortController();
let registry: TestRegistry;
let client: RegistryClient;
let release: ReleaseRegistry;

beforeAll(async () => {
  registry = await startRegistry();
  client = createRegistryClient({ registry: registry.host });
  release = createReleaseRegistry(client, () => new Date());
});
afterAll(async () => {
  await client.close();
  await registry.stop();
});

function valueOf<T>(answer: Answer<T>): T {
  if (!answer.ok) throw new Error(answer.failure.detail);
  return answer.value;
}

/** Of a commit that was built for one platform, in the format of its base image. */
async function built(kind: 'oci' | 'docker'): Promise<VerifiedChild[]> {
  const platform = { os: 'linux', architecture: 'arm64' };
  const tag = `b-${kind}`;
  const digest = await pushImage(client, { repository: 'shop', platform, kind, tag });
  const child = { repository: `${registry.host}/shop`, digest, tag, platform: 'linux/arm64' };
  return [valueOf(await release.verifyChild({ ...child, signal }))];
}

test.each([
  ['docker', 'oci', true],
  ['docker', 'oci', false],
  ['oci', 'docker', true],
  ['oci', 'docker', false],
] as const)(
  'an image of %s is refused where %s was asked for (with an index: %s), and not relabelled',
  async (kind, format, index) => {
    const repository = `${registry.host}/shop`;
    const input = { repository, children: await built(kind), index, format, signal };
    const answer = await release.putImage(input);
    expect(answer).toMatchObject({ ok: false, failure: { reason: 'MediaTypeConflict' } });
  },
);

test.each([
  ['docker', 'docker'],
  ['docker', 'auto'],
  ['oci', 'oci'],
  ['oci', 'auto'],
] as const)('an image of %s stays what it is where %s was asked for', async (kind, format) => {
  const repository = `${registry.host}/shop`;
  const children = await built(kind);
  const alone = await release.putImage({ repository, children, index: false, format, signal });
  expect(valueOf(alone)).toMatchObject(children[0]?.descriptor ?? {});
  const list = await release.putImage({ repository, children, index: true, format, signal });
  expect(valueOf(list).mediaType).toMatch(kind === 'oci' ? /oci\.image\.index/ : /manifest\.list/);
});
