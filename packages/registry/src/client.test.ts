import { Readable } from 'node:stream';
import { mediaTypes } from '@hephy/oci';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { startFaultProxy } from '../../../test/parts/fault-proxy.ts';
import type { Fault, FaultProxy } from '../../../test/parts/fault-proxy.ts';
import { pushImage } from '../../../test/parts/images.ts';
import { registryLogin, startRegistry } from '../../../test/parts/registry.ts';
import type { TestRegistry } from '../../../test/parts/registry.ts';
import { createRegistryClient } from './client.ts';
import type { RegistryClient, RegistryClientOptions } from './client.ts';
import { digestOf } from './digest.ts';

let registry: TestRegistry;
let proxy: FaultProxy;
let waits: number[];
const clients: RegistryClient[] = [];

beforeAll(async () => {
  registry = await startRegistry({ login: true });
  proxy = await startFaultProxy({ upstream: registry.host });
});
afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()));
});
afterAll(async () => {
  await proxy.stop();
  await registry.stop();
});

function connect(options: Partial<RegistryClientOptions> = {}): RegistryClient {
  waits = [];
  const client = createRegistryClient({
    registry: proxy.host,
    credentials: async () => registryLogin,
    wait: async (ms) => void waits.push(ms),
    ...options,
  });
  clients.push(client);
  proxy.script();
  return client;
}
const image = {
  repository: 'shop',
  platform: { os: 'linux', architecture: 'arm64' },
  tag: 'v1',
};
const absent = `sha256:${'0'.repeat(64)}`;

describe('manifests', () => {
  test('what is put is what is read, with its type, size and digest', async () => {
    const client = connect();
    const digest = await pushImage(client, image);
    const manifest = await client.getManifest('shop', digest);
    expect(manifest).toMatchObject({ digest, mediaType: mediaTypes.ociManifest });
    expect(digestOf(manifest?.bytes ?? new Uint8Array())).toBe(digest);
    const head = { digest, mediaType: mediaTypes.ociManifest, sizeBytes: manifest?.sizeBytes };
    expect(await client.headManifest('shop', 'v1')).toEqual(head);
  });

  test('what is not there is undefined', async () => {
    const client = connect();
    expect(await client.headManifest('shop', 'absent')).toBeUndefined();
    expect(await client.getManifest('nowhere', absent)).toBeUndefined();
    const descriptor = { mediaType: 'x', digest: absent, size: 1 };
    expect(await client.getBlob('shop', descriptor)).toBeUndefined();
  });

  test('a registry that leaves the digest out of its answers is asked for the bytes', async () => {
    const client = connect();
    const digest = await pushImage(client, image);
    const silent = { do: 'setHeaders', headers: { 'docker-content-digest': undefined }, times: 9 };
    proxy.script(silent as Fault);
    expect(await client.headManifest('shop', 'v1')).toMatchObject({ digest });
    expect(await pushImage(client, image)).toBe(digest);
  });

  test('a manifest over the limit is not sent', async () => {
    const client = connect({ limits: { manifestWriteBytes: 10 } });
    const put = { repository: 'shop', reference: 'v1', mediaType: mediaTypes.ociIndex };
    const sent = client.putManifest({ ...put, bytes: new Uint8Array(11) });
    await expect(sent).rejects.toMatchObject({ reason: 'ManifestTooLarge', temporary: false });
    expect(proxy.requests).toEqual([]);
  });

  test('an answer over the limit is not read to its end', async () => {
    await pushImage(connect(), image);
    const client = connect({ limits: { manifestReadBytes: 10 } });
    const read = client.getManifest('shop', 'v1');
    await expect(read).rejects.toMatchObject({ reason: 'ManifestTooLarge' });
    await client.ping();
  });

  test.each<[string, Fault, string]>([
    ['other bytes', { do: 'corruptBody', times: 9 }, 'DigestMismatch'],
    [
      'another digest',
      { do: 'setHeaders', headers: { 'docker-content-digest': absent }, times: 9 },
      'DigestMismatch',
    ],
    [
      'another type',
      { do: 'setHeaders', headers: { 'content-type': mediaTypes.dockerManifest }, times: 9 },
      'ManifestInvalid',
    ],
    ['a web page', { do: 'answer', status: 200, body: '<html>', times: 9 }, 'ManifestInvalid'],
  ])('a registry that answers %s is refused', async (_what, fault, reason) => {
    const client = connect();
    await pushImage(client, image);
    proxy.script({ ...fault, method: 'GET', path: /manifests/ });
    const read = client.getManifest('shop', 'v1');
    await expect(read).rejects.toMatchObject({ reason, temporary: false });
  });

  test('a PUT that is answered with another digest fails', async () => {
    const client = connect();
    const lie = { do: 'setHeaders', headers: { 'docker-content-digest': absent } } as const;
    proxy.script({ ...lie, method: 'PUT', path: /manifests/ });
    await expect(pushImage(client, image)).rejects.toMatchObject({ reason: 'DigestMismatch' });
  });

  test('a name that no registry could hold never reaches one', async () => {
    const client = connect();
    await expect(client.headManifest('../admin', 'v1')).rejects.toThrow('repository "../admin"');
    await expect(client.headManifest('shop', 'a/../b')).rejects.toThrow('tag "a/../b"');
    expect(proxy.requests).toEqual([]);
  });
});

describe('faults', () => {
  test.each<[string, Fault]>([
    ['429', { do: 'answer', status: 429, headers: { 'retry-after': '3' } }],
    ['500', { do: 'answer', status: 500, times: 3 }],
    ['a reset', { do: 'reset', times: 2 }],
    ['a lost answer', { do: 'loseAnswer' }],
    ['a body that breaks off', { do: 'cutBody' }],
    ['throttling by 403', { do: 'answer', status: 403, body: 'Rate exceeded' }],
  ])('after %s the next try succeeds', async (_what, fault) => {
    const client = connect();
    const digest = await pushImage(client, image);
    proxy.script({ ...fault, method: 'GET', path: /manifests/ });
    expect(await client.getManifest('shop', 'v1')).toMatchObject({ digest });
    expect(waits.length).toBeGreaterThan(0);
  });

  test('a registry that asks for 3 seconds is left alone for 3 seconds', async () => {
    const client = connect({ now: () => 0 });
    proxy.script({ do: 'answer', status: 429, headers: { 'retry-after': '3' } });
    await client.ping();
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(3000);
  });

  test('a registry that asks for an hour gets its failure at once, with the hour in it', async () => {
    const client = connect();
    proxy.script({ do: 'answer', status: 429, headers: { 'retry-after': '3600' } });
    const failure = { reason: 'RateLimited', temporary: true, retryAfterMs: 3_600_000 };
    await expect(client.ping()).rejects.toMatchObject(failure);
    expect(proxy.requests).toHaveLength(1);
  });

  test('a registry that never answers is given up', async () => {
    const client = connect({ limits: { silenceTimeoutMs: 300, attempts: 2 } });
    proxy.script({ do: 'hang', times: 9 });
    const failure = { reason: 'RegistryUnavailable', temporary: true };
    await expect(client.ping()).rejects.toMatchObject(failure);
    expect(proxy.requests).toHaveLength(2);
  });

  test('a registry that is not there is named in the sentence', async () => {
    const gone = await startFaultProxy();
    await gone.stop();
    const client = connect({ registry: gone.host });
    await expect(client.ping()).rejects.toThrow(
      `${gone.host} did not answer GET /v2/: ECONNREFUSED`,
    );
  });

  test('an abort ends a hanging request with its own reason', async () => {
    const client = connect();
    proxy.script({ do: 'hang' });
    const controller = new AbortController();
    const hanging = client.ping({ signal: controller.signal });
    await expect.poll(() => proxy.requests.length, { timeout: 20_000 }).toBe(1);
    controller.abort(new Error('the build was cancelled'));
    await expect(hanging).rejects.toThrow('the build was cancelled');
  });

  test('an abort ends the wait before the next try', async () => {
    const controller = new AbortController();
    const client = createRegistryClient({ registry: proxy.host });
    clients.push(client);
    proxy.script({ do: 'answer', status: 429, headers: { 'retry-after': '25' }, times: 9 });
    const waiting = client.ping({ signal: controller.signal });
    await expect.poll(() => proxy.requests.length, { timeout: 20_000 }).toBe(1);
    controller.abort(new Error('the build was cancelled'));
    await expect(waiting).rejects.toThrow('the build was cancelled');
  });
});

describe('redirects', () => {
  test('are followed without our credentials, and what comes is still proved', async () => {
    const client = connect();
    const bytes = Buffer.from('{"os":"linux"}');
    const descriptor = { mediaType: 'x', digest: digestOf(bytes), size: bytes.length };
    await client.uploadBlob({
      repository: 'shop',
      ...descriptor,
      sizeBytes: bytes.length,
      content: bytes,
    });
    const other = await startFaultProxy();
    const redirect: Fault = {
      do: 'answer',
      status: 307,
      headers: { location: `${other.url}/content` },
      method: 'GET',
      times: 2,
    };
    proxy.script(redirect);
    other.script(
      { do: 'answer', status: 200, body: bytes.toString() },
      { do: 'answer', status: 200, body: '{"os":"win32"}' },
    );
    expect(await client.getBlob('shop', descriptor)).toEqual(bytes);
    await expect(client.getBlob('shop', descriptor)).rejects.toMatchObject({
      reason: 'DigestMismatch',
    });
    expect(proxy.requests[0]?.headers.authorization).toMatch(/^Basic /);
    expect(other.requests.map(({ headers }) => headers.authorization)).toEqual([
      undefined,
      undefined,
    ]);
    await other.stop();
  });

  test('in a circle, or of a write, end in a failure', async () => {
    const client = connect();
    const circle = { do: 'answer', status: 302, headers: { location: '/v2/' }, times: 99 } as const;
    proxy.script(circle);
    await expect(client.ping()).rejects.toThrow('redirected more than 5 times');
    proxy.script({ ...circle, method: 'PUT' });
    await expect(pushImage(client, image)).rejects.toMatchObject({ status: 302 });
  });
});

describe('blobs', () => {
  const bytes = Buffer.from('a layer');
  const blob = { repository: 'shop', sizeBytes: bytes.length, digest: digestOf(bytes) };

  test('are sent from a stream, once', async () => {
    const client = connect();
    const content = () => Readable.from([bytes.subarray(0, 3), bytes.subarray(3)]);
    expect(await client.uploadBlob({ ...blob, content })).toEqual({ uploaded: true });
    expect(await client.uploadBlob({ ...blob, content })).toEqual({ uploaded: false });
    const descriptor = { mediaType: 'x', digest: blob.digest, size: bytes.length };
    expect(await client.getBlob('shop', descriptor)).toEqual(bytes);
  });

  test('are mounted from a repository that has them', async () => {
    const client = connect();
    await client.uploadBlob({ ...blob, content: bytes });
    const mounted = { ...blob, repository: 'other', mountFrom: 'shop', content: bytes };
    expect(await client.uploadBlob(mounted)).toEqual({ uploaded: false });
    expect(await client.blobExists('other', blob.digest)).toBe(true);
  });

  test('are sent where a registry will not mount', async () => {
    const client = connect();
    await client.uploadBlob({ ...blob, content: bytes });
    proxy.script({ do: 'answer', status: 400, method: 'POST', path: /mount=/ });
    const mounted = { ...blob, repository: 'third', mountFrom: 'shop', content: bytes };
    expect(await client.uploadBlob(mounted)).toEqual({ uploaded: true });
  });

  test.each<[string, Fault]>([
    ['broke', { do: 'reset' }],
    ['lost its answer', { do: 'loseAnswer' }],
    [
      'was forgotten by the registry',
      { do: 'answer', status: 404, body: '{"errors":[{"code":"BLOB_UPLOAD_UNKNOWN"}]}' },
    ],
  ])('begin a new upload when one %s', async (what, fault) => {
    const client = connect();
    const fresh = Buffer.from(`a layer whose upload ${what}`);
    const digest = digestOf(fresh);
    let opened = 0;
    const content = () => {
      opened += 1;
      return Readable.from([fresh]);
    };
    proxy.script({ ...fault, method: 'PUT' });
    await client.uploadBlob({ repository: 'shop', digest, sizeBytes: fresh.length, content });
    expect(opened).toBe(2);
    expect(await client.blobExists('shop', digest)).toBe(true);
  });

  test('with another digest than named are refused by the registry', async () => {
    const client = connect();
    const wrong = { repository: 'shop', digest: absent, sizeBytes: bytes.length, content: bytes };
    await expect(client.uploadBlob(wrong)).rejects.toThrow('DIGEST_INVALID');
  });
});
