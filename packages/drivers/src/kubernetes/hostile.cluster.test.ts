/** Dockerfiles that are after what the builder has: with `split` isolation each gets nothing. */
import { verifyChild } from '@hephy/registry';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startIdentityWebhook } from '../../../../test/cluster/identity-webhook.ts';
import { otherLogin, registryLogin } from '../../../../test/parts/registry.ts';
import {
  basicAuth,
  makeKanikoParts,
  type Built,
  type KanikoParts,
} from './kaniko-parts-for-test.ts';

let parts: KanikoParts;
beforeAll(async () => {
  parts = await makeKanikoParts();
});
afterAll(() => parts.close());

/** A Dockerfile. */
const lines = (...steps: string[]): string =>
  [`FROM ${parts.cluster.images.base}`, ...steps, ''].join('\n');

/** Everything that a process of the container can read and that is not of an image: variables, and what is mounted. */
const search = `RUN env; cat /proc/*/environ | tr '\\\\0' '\\\\n'; cat /proc/self/mountinfo; \\
  for place in /kaniko /root /hephy $(awk '$5 != "/" { print $5 }' /proc/self/mountinfo | grep -v -e ^/proc -e ^/sys -e ^/dev); do \\
    find "$place" -type f -size -64k 2>/dev/null | while read -r file; do echo "== $file"; cat "$file"; done; \\
  done; echo searched`;

const secretsOf = (login: typeof registryLogin) => [login.password, basicAuth(login)];
const found = ({ log }: Built, login: typeof registryLogin): boolean =>
  secretsOf(login).some((secret) => log.includes(secret));

/** A process that outlives its step; the builder ends those that have not left the step's group in time. */
const background = (script: string): string =>
  `setsid sh -c 'touch /began; ${script}' > /dev/null 2>&1 & until [ -e /began ]; do :; done`;

/** What the registry has under the tag of the attempt. */
async function pushed({ spec }: Built): Promise<string | undefined> {
  return (await parts.client.headManifest('shop', spec.name))?.digest;
}

/** What the publisher makes of it, before it moves any tag. */
function verified({ spec, result }: Built) {
  if (!result.ok) throw new Error(JSON.stringify(result.failure));
  const child = { repository: 'shop', digest: result.digest, platform: spec.platform };
  return verifyChild({ ...child, tag: spec.name }, { client: parts.client });
}

describe('a Dockerfile that looks for credentials', () => {
  test('finds the one that pushes where it builds beside it', async () => {
    const built = await parts.build({ dockerfile: lines(search), isolation: 'together' });
    expect(built.log).toContain('searched');
    expect(found(built, registryLogin)).toBe(true);
  });

  test('finds none where another container pushes', async () => {
    const built = await parts.build({ dockerfile: lines(search), isolation: 'split' });
    expect(built.log).toContain('searched');
    expect(found(built, registryLogin)).toBe(false);
    expect(built.log).not.toContain('serviceaccount');
    expect(built.pod).not.toContain(registryLogin.password);
    expect(await verified(built)).toMatchObject({ ok: true });
  });

  test('finds at most what reads, where base images need a password', async () => {
    const base = await parts.build({ dockerfile: lines('RUN true'), isolation: 'split' });
    const dockerfile = `FROM ${base.spec.destination}\n${search}\n`;
    const stranger = await parts.build({ dockerfile, isolation: 'split' });
    expect(stranger.result).toMatchObject({ failure: { reason: 'BaseImageUnavailable' } });
    const built = await parts.build({ dockerfile, isolation: 'split', mayPull: true });
    expect(found(built, otherLogin)).toBe(true);
    expect(found(built, registryLogin)).toBe(false);
    expect(await verified(built)).toMatchObject({ ok: true });
  });
});

describe('a Dockerfile that writes the digest of another image', () => {
  let another: string;
  beforeAll(async () => {
    const { result } = await parts.build({ dockerfile: lines('RUN true'), isolation: 'split' });
    if (!result.ok) throw new Error(JSON.stringify(result.failure));
    another = result.digest;
  });
  /** Behind the builder's back, once the builder has said its own, while it pushes. */
  const forge = (): string => {
    const write = `printf %s ${another} 1<>/dev/termination-log`;
    return `RUN ${background(`until grep -q sha256 /dev/termination-log; do :; done; ${write}`)}`;
  };
  const large = 'RUN head -c 30000000 /dev/urandom > /large';

  test('is not believed by the publisher where it builds and pushes', async () => {
    const built = await parts.build({ dockerfile: lines(large, forge()), isolation: 'together' });
    expect(built.result).toMatchObject({ ok: true, digest: another });
    const failure = { reason: 'DigestMismatch' };
    expect(await verified(built)).toMatchObject({ ok: false, failure });
  });

  test('is not heard where another container pushes', async () => {
    const write = `RUN printf %s ${another} > /dev/termination-log`;
    const built = await parts.build({ dockerfile: lines(write, forge()), isolation: 'split' });
    expect(built.result).toEqual({ ok: true, exitCode: 0, digest: await pushed(built) });
    expect(built.result).not.toMatchObject({ digest: another });
    expect(await verified(built)).toMatchObject({ ok: true });
  });
});

describe('a Dockerfile that tampers with the image that is taken over', () => {
  test.each([
    ['with a foreign file', 'echo x > /kaniko/layout/foreign', 'foreign is not of the image'],
    [
      'with a file where its own are to be',
      'echo x > /kaniko/layout/blobs',
      'mkdir /kaniko/layout/blobs: not a directory',
    ],
    [
      'with a link to where the password is',
      'mkdir -p /kaniko/layout/blobs/sha256 && ln -s /hephy/credentials/push.json /kaniko/layout/blobs/sha256/aa',
      'blobs/sha256/aa is not of the image',
    ],
    [
      'with a process that goes on writing',
      background('while :; do echo x > /kaniko/layout/late; done'),
      'late is not of the image',
    ],
  ])('%s gets no image pushed', async (_, step, detail) => {
    const built = await parts.build({ dockerfile: lines(`RUN ${step}`), isolation: 'split' });
    expect(built.result).toEqual({
      ok: false,
      failure: {
        reason: 'LayoutInvalid',
        platform: built.spec.platform,
        detail: expect.stringMatching(new RegExp(`${detail}$`)) as string,
      },
    });
    expect(await pushed(built)).toBeUndefined();
  });
});

test.each(['together', 'split'] as const)(
  'a Dockerfile that fills the disk is stopped, and told so (%s)',
  { timeout: 180_000 },
  async (isolation) => {
    const limits = { memory: '1Gi', 'ephemeral-storage': '64Mi' };
    const requests = { cpu: '10m', memory: '64Mi', 'ephemeral-storage': '1Mi' };
    const built = await parts.build({
      dockerfile: lines('RUN dd if=/dev/zero of=/full bs=1M count=200 && sleep 1000'),
      isolation,
      job: { resources: { requests, limits } },
    });
    const { platform } = built.spec;
    expect(built.result).toMatchObject({ ok: false, failure: { reason: 'DiskFull', platform } });
    expect(await pushed(built)).toBeUndefined();
  },
);

test('a registry that refuses who pushes is the reason, whatever the steps print', async () => {
  const built = await parts.build({
    dockerfile: lines('RUN echo "error building image: error building stage: "'),
    isolation: 'split',
    pushAs: { ...registryLogin, password: 'another' },
  });
  expect(built.result).toMatchObject({ ok: false, failure: { reason: 'RegistryUnauthorized' } });
  expect(JSON.stringify(built.result)).not.toContain('another');
});

test('a builder has the identity that it was given, and no way into the cluster', async () => {
  const { cluster, namespace } = parts;
  const path = `/api/v1/namespaces/${namespace}/serviceaccounts`;
  await cluster.api.send('POST', path, { metadata: { name: 'puller' } });
  const webhook = await startIdentityWebhook(cluster, namespace);
  try {
    const list = 'find /var/run/secrets /run/secrets -name token -type l';
    const built = await parts.build({
      dockerfile: lines(`RUN ${list}; echo claims $(cut -d. -f2 ${webhook.tokenFile})`),
      isolation: 'split',
      job: { serviceAccountName: 'puller' },
    });
    expect(built.result).toMatchObject({ ok: true });
    expect(built.log.match(/^\/.*token$/gm)).toEqual([webhook.tokenFile]);
    const claims = /^claims (\S+)$/m.exec(built.log)?.[1] ?? '';
    expect(JSON.parse(Buffer.from(claims, 'base64url').toString())).toMatchObject({
      aud: [webhook.audience],
      sub: `system:serviceaccount:${namespace}:puller`,
    });
    expect(built.pod).toContain('"azure.workload.identity/use":"true"');
  } finally {
    await webhook.close();
  }
});
