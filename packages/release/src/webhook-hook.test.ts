import { randomBytes } from 'node:crypto';
import { Webhook } from 'standardwebhooks';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  startWebhookReceiver,
  type WebhookReceiver,
} from '../../../test/parts/webhook-receiver.ts';
import type { ReleaseBody } from './release-body.ts';
import { newHookSecret } from './sign-delivery.ts';
import { createUrlGuard, type UrlGuard } from './url-guard.ts';
import { createWebhookHook, type DeliveryResult } from './webhook-hook.ts';

const secret = newHookSecret(randomBytes);
const body: ReleaseBody = {
  type: 'release.published',
  timestamp: '2026-11-22T10:00:00.000Z',
  data: {
    app: 'shop',
    build: { id: '01JD8ZC9Z5Q1W2E3R4T5Y6U7I8', number: 42 },
    commit: '3f2a91c0'.repeat(5),
    ref: 'refs/heads/main',
    version: 7,
    image: `localhost:5000/shop@sha256:${'a'.repeat(64)}`,
    digest: `sha256:${'a'.repeat(64)}`,
    mediaType: 'application/vnd.oci.image.index.v1+json',
    tags: ['git-3f2a91c0', 'latest'],
    platforms: [{ platform: 'linux/arm64', digest: `sha256:${'b'.repeat(64)}` }],
    pushedBy: 'ada — “the first”',
  },
};

let receiver: WebhookReceiver;
beforeEach(async () => {
  receiver = await startWebhookReceiver();
});
afterEach(async () => {
  await receiver.close();
});

const loopbackAllowed = createUrlGuard({ allowPrivate: ['127.0.0.0/8'] });

function deliver(
  options: { url?: string; guard?: UrlGuard; timeoutMs?: number; signal?: AbortSignal } = {},
): Promise<DeliveryResult> {
  const { url = receiver.url, guard = loopbackAllowed, timeoutMs = 20_000 } = options;
  const hook = createWebhookHook({ guard, now: () => new Date(), timeoutMs });
  const signal = options.signal ?? new AbortController().signal;
  return hook.deliver({ url, secret, deliveryId: 'msg_1', body, signal });
}

describe('the webhook', () => {
  test('posts the release, signed so that an independent Standard Webhooks verifier accepts it', async () => {
    expect(await deliver()).toEqual({ ok: true, status: 200 });
    const [delivery] = receiver.received;
    expect(delivery).toMatchObject({ method: 'POST', path: '/hook' });
    expect(delivery?.headers).toMatchObject({
      'webhook-id': 'msg_1',
      'content-type': 'application/json',
    });
    const verified = new Webhook(secret).verify(delivery?.body ?? '', delivery?.headers ?? {});
    expect(verified).toEqual(body);
    const other = new Webhook(newHookSecret(randomBytes));
    expect(() => other.verify(delivery?.body ?? '', delivery?.headers ?? {})).toThrow('signature');
  });

  test.for([500, 502, 503, 408, 429])('calls an answer of %d temporary', async (status) => {
    receiver.script({ status });
    expect(await deliver()).toMatchObject({
      ok: false,
      failure: { reason: 'HookFailed', detail: `127.0.0.1:${receiver.port} answered ${status}` },
    });
  });

  test.for([400, 401, 404, 410, 422])('calls an answer of %d final', async (status) => {
    receiver.script({ status });
    expect(await deliver()).toMatchObject({ ok: false, failure: { reason: 'HookRefused' } });
  });

  test('says how long the receiver wants to be left alone', async () => {
    receiver.script({ status: 429, headers: { 'retry-after': '7' } });
    expect(await deliver()).toMatchObject({ retryAfterMs: 7000 });
  });

  test('follows no redirect, and names the host that it led to', async () => {
    receiver.script({ status: 307, headers: { location: 'http://169.254.169.254/latest' } });
    expect(await deliver()).toMatchObject({
      failure: { reason: 'HookRefused', detail: expect.stringContaining('169.254.169.254') },
    });
    expect(receiver.received).toHaveLength(1);
  });

  test('gives up on a receiver that does not answer', async () => {
    receiver.script('silence');
    expect(await deliver({ timeoutMs: 300 })).toMatchObject({
      failure: { reason: 'HookFailed', detail: expect.stringContaining('within 0.3 s') },
    });
  });

  test('calls a connection that is cut temporary', async () => {
    receiver.script('reset');
    expect(await deliver()).toMatchObject({
      failure: { reason: 'HookFailed', detail: expect.stringContaining('ECONNRESET') },
    });
  });

  test('calls a refused connection temporary', async () => {
    const { url } = receiver;
    await receiver.close();
    expect(await deliver({ url })).toMatchObject({ failure: { reason: 'HookFailed' } });
    receiver = await startWebhookReceiver();
  });

  test('takes the status of an answer whose body never ends', async () => {
    receiver.script('endless body');
    expect(await deliver()).toEqual({ ok: true, status: 200 });
  });

  test('ends when the caller leaves', async () => {
    const caller = new AbortController();
    receiver.script('silence');
    const answer = deliver({ signal: caller.signal });
    await receiver.untilReceived(1);
    caller.abort('shutdown');
    expect(await answer).toMatchObject({
      failure: { reason: 'HookFailed', detail: expect.stringContaining('stopped') },
    });
  });

  test('refuses a private address for good, without a connection', async () => {
    expect(await deliver({ guard: createUrlGuard({ allowPrivate: [] }) })).toMatchObject({
      failure: { reason: 'HookRefused', detail: expect.stringContaining('127.0.0.1') },
    });
    expect(receiver.received).toHaveLength(0);
  });

  test('dials the address that was judged, whatever the name says later', async () => {
    const asked: string[] = [];
    const guard = createUrlGuard({
      allowPrivate: ['127.0.0.1'],
      lookup: async (hostname) => {
        asked.push(hostname);
        return [{ address: asked.length === 1 ? '127.0.0.1' : '169.254.169.254', family: 4 }];
      },
    });
    const url = `http://rebinding.invalid:${receiver.port}/hook`;
    expect(await deliver({ url, guard })).toEqual({ ok: true, status: 200 });
    expect(receiver.received[0]?.headers['host']).toBe(`rebinding.invalid:${receiver.port}`);
    expect(asked).toEqual(['rebinding.invalid']);
    expect(await deliver({ url, guard })).toMatchObject({ failure: { reason: 'HookRefused' } });
  });

  test('a name that cannot be resolved, or a resolver that hangs, is temporary', async () => {
    const lost = createUrlGuard({
      allowPrivate: [],
      lookup: () => Promise.reject(new Error('SERVFAIL')),
    });
    const url = 'https://deployer.invalid/hook';
    expect(await deliver({ url, guard: lost })).toMatchObject({
      failure: { reason: 'HookFailed', detail: expect.stringContaining('deployer.invalid') },
    });
    const hanging = createUrlGuard({ allowPrivate: [], lookup: () => new Promise(() => {}) });
    expect(await deliver({ url, guard: hanging, timeoutMs: 200 })).toMatchObject({
      failure: { reason: 'HookFailed' },
    });
  });
});
