/** A registry with faults, and a builder that lies: one sentence for the pusher, and no tag. */
import { readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createRegistryClient } from '@hephy/registry';
import { afterAll, expect, test } from 'vitest';
import { pushImage } from '../parts/images.ts';
import { amd64, buildersGone, push, thisMachine, tiny, useService, waitsAt } from './ground.ts';
import { registryFaults } from './registry-faults.ts';

const open = useService(() => thisMachine);

registryFaults(open);

const lie = `/tmp/hs-lie-${process.pid}`;
afterAll(() => rm(lie, { force: true }));

test('a builder that reports the digest of another image is refused, and the tags stay', async () => {
  const service = open();
  const { hephy, registry, gate } = service;
  const shop = await hephy.createApp('shop', { ...amd64, publishIndex: true });
  await shop.commit(tiny);
  await push(shop);
  await buildersGone(service);
  const released = await hephy.readTag('shop', 'latest');
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
  expect(released).toBeDefined();
  expect(await hephy.readTag('shop', 'latest')).toBe(released);
});
