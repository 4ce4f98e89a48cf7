/** A registry that does not recover, and a builder that lies: one sentence for the pusher, and no tag. */
import { readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createRegistryClient } from '@hephy/registry';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { WorkTree } from '../parts/git-client.ts';
import { pushImage } from '../parts/images.ts';
import { amd64, push, thisMachine, tiny, useService, waitsAt } from './ground.ts';
import { registryFaults } from './registry-faults.ts';

const open = useService(() => thisMachine);

registryFaults(open);

const lie = `/tmp/hs-lie-${process.pid}`;
let shop: WorkTree;
let released: string | undefined;
beforeAll(async () => {
  const { hephy } = open();
  shop = await hephy.createApp('shop', { ...amd64, publishIndex: true });
  await shop.commit(tiny);
  await push(shop);
  released = await hephy.readTag('shop', 'latest');
});
afterAll(() => rm(lie, { force: true }));

test('a registry that answers 500 to the end fails the build, and the tags stay', async () => {
  const { hephy, proxy } = open();
  await shop.commit({ a: 'another' });
  proxy.script({
    method: 'PUT',
    path: /\/shop\/manifests\/sha256:/,
    do: 'answer',
    status: 500,
    times: Infinity,
  });
  const { stderr, exitCode } = await push(shop);
  expect(stderr).toMatch(
    /publishing web: the registry does not answer.*; trying again \(attempt 2\)/,
  );
  expect(stderr).toMatch(
    /! \[remote rejected\] main -> main \(the registry does not answer.*\(build \d+\)\)/,
  );
  expect(exitCode).toBe(1);
  expect(await hephy.readTag('shop', 'latest')).toBe(released);
}, 180_000);

test('a builder that reports the digest of another image is refused, and the tags stay', async () => {
  const service = open();
  const { hephy, proxy, registry, gate } = service;
  proxy.script();
  const client = createRegistryClient({ registry: registry.host });
  const foreign = await pushImage(client, {
    repository: 'shop',
    platform: { os: 'linux', architecture: 'arm64' },
  });
  await client.close();
  await shop.commit(waitsAt('liar', service));
  const pushing = push(shop);
  await gate.arrived('liar');
  // The builder has a /tmp of its own: what it writes there is not what is read here.
  await writeFile(lie, `${foreign}\n`);
  const names = await readdir(join(hephy.data, 'builders'));
  const builder = names.find((name) => name.startsWith('b-')) ?? '';
  await symlink(lie, join(hephy.data, 'builders', builder, 'digest'));
  gate.open('liar');
  const { stderr, exitCode } = await pushing;
  expect(stderr).toMatch(
    /! \[remote rejected\] main -> main \(linux\/amd64 image is of another platform.*\(build \d+\)\)/,
  );
  expect(exitCode).toBe(1);
  expect(await hephy.readTag('shop', 'latest')).toBe(released);
});
