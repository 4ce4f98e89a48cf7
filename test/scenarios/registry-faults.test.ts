/** A registry that refuses, breaks or lies, and a builder that lies: one sentence for the pusher, and no tag. */
import { readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createRegistryClient } from '@hephy/registry';
import { startFaultProxy, type Fault, type FaultProxy } from '../parts/fault-proxy.ts';
import { startGate, type Gate } from '../parts/gate.ts';
import { runGitClient, type GitClientResult, type WorkTree } from '../parts/git-client.ts';
import { showLogOnFailure, startHephy, type Hephy } from '../parts/hephy.ts';
import { pushImage } from '../parts/images.ts';
import { startRegistry, type TestRegistry } from '../parts/registry.ts';

let hephy: Hephy;
let registry: TestRegistry;
let proxy: FaultProxy;
let gate: Gate;
let base: string;
let shop: WorkTree;
let released: string | undefined;
beforeAll(async () => {
  registry = await startRegistry();
  proxy = await startFaultProxy({ upstream: registry.host });
  const environment = {
    HEPHY_REGISTRY: proxy.host,
    HEPHY_REGISTRY_PLAIN_HTTP: 'true',
  };
  [hephy, gate] = await Promise.all([startHephy({ environment }), startGate()]);
  base = await hephy.baseImage();
  shop = await hephy.createApp('shop', { platforms: ['linux/amd64'], publishIndex: true });
  await commit();
  await push();
  released = await hephy.readTag('shop', 'latest');
});
afterAll(async () => {
  await Promise.all([hephy?.close(), gate?.close()]);
  await Promise.all([proxy?.stop(), registry?.stop()]);
  await rm(lie, { force: true });
});
showLogOnFailure(() => hephy);

const lie = `/tmp/hs-lie-${process.pid}`;
let commits = 0;
const commit = (): Promise<string> =>
  shop.commit({ Dockerfile: 'FROM scratch\nCOPY a /\n', a: String((commits += 1)) });
const push = (): Promise<GitClientResult> =>
  runGitClient(['push', 'deis', 'main'], { cwd: shop.path });

/** The publisher's part alone: buildah speaks to the registry too, and may have its own troubles. */
const index = { method: 'PUT', path: /\/shop\/manifests\/sha256:/ } as const;
const anyTag = { method: 'PUT', path: /\/shop\/manifests\/(git-[0-9a-f]{8}|latest)$/ } as const;
const always = 1000;
const toomany = { do: 'answer', status: 429, headers: { 'retry-after': '1' } } as const;

const refusals: { answer: string; fault: Fault; sentence: RegExp; reason: string }[] = [
  {
    answer: '401',
    fault: { ...index, do: 'answer', status: 401, times: always },
    sentence: /the registry refused our credentials \(401\).* \(build \d+\)/,
    reason: 'RegistryUnauthorized',
  },
  {
    answer: '403',
    fault: { ...index, do: 'answer', status: 403, times: always },
    sentence: /the registry does not let us push: .* answered 403 .* \(build \d+\)/,
    reason: 'PushDenied',
  },
  {
    answer: 'bytes of something else',
    fault: { method: 'GET', path: /\/shop\/manifests\/sha256:/, do: 'corruptBody', times: always },
    // The build's number was cut off once, with the end of a long sentence.
    sentence: /digest does not match what the registry holds.* \(build \d+\)/,
    reason: 'DigestMismatch',
  },
];

test.each(refusals)(
  'a registry that answers $answer: a sentence, and the tags stay',
  async ({ fault, sentence, reason }) => {
    await commit();
    proxy.script(fault);
    const { stderr, exitCode } = await push();
    expect(stderr.slice(stderr.indexOf('! [remote rejected] main -> main ('))).toMatch(sentence);
    expect(exitCode).toBe(1);
    const [build] = await hephy.builds('shop');
    expect(build).toMatchObject({ state: 'failed', failure: { reason } });
    expect(await hephy.readTag('shop', 'latest')).toBe(released);
    expect(await hephy.readTag('shop', `git-${build?.sha.slice(0, 8)}`)).toBeUndefined();
  },
);

test('a registry that is limited, resets or fails for a moment is asked again, and the push succeeds', async () => {
  await commit();
  proxy.script(
    { ...index, ...toomany },
    { ...index, do: 'answer', status: 503 },
    { ...anyTag, do: 'reset', times: 2 },
    { ...anyTag, do: 'loseAnswer' },
  );
  const { stderr, exitCode } = await push();
  expect(stderr).toMatch(/-----> Build \d+ succeeded/);
  expect(exitCode).toBe(0);
  released = await hephy.readTag('shop', 'latest');
});

test('a registry that answers 500 to the end fails the build, and the tags stay', async () => {
  await commit();
  proxy.script({ ...index, do: 'answer', status: 500, times: always });
  const { stderr, exitCode } = await push();
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
  proxy.script();
  const client = createRegistryClient({ registry: registry.host });
  const foreign = await pushImage(client, {
    repository: 'shop',
    platform: { os: 'linux', architecture: 'arm64' },
  });
  await client.close();
  await shop.commit({ Dockerfile: `FROM ${base}\n${gate.step('liar')}\n` });
  const pushing = push();
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
