import { failureOf, unlessAborted, type Failure } from '@hephy/core';
import { postOnce, type PostAnswer } from './post-once.ts';
import type { ReleaseBody } from './release-body.ts';
import { signDelivery } from './sign-delivery.ts';
import type { UrlGuard } from './url-guard.ts';

export interface DeliveryInput {
  readonly url: string;
  /** `whsec_…` */
  readonly secret: string;
  /** The same at every try. */
  readonly deliveryId: string;
  readonly body: ReleaseBody;
  readonly signal: AbortSignal;
}

export type DeliveryResult =
  | { readonly ok: true; readonly status: number }
  /** `HookFailed` may be tried again, not before `retryAfterMs`; `HookRefused` is final. */
  | { readonly ok: false; readonly failure: Failure; readonly retryAfterMs?: number };

/** Tells somebody of a release. Safe to call again: `deliveryId` is the receiver's key for "once". */
export interface ReleaseHook {
  deliver(input: DeliveryInput): Promise<DeliveryResult>;
}

export interface WebhookHookOptions {
  readonly guard: UrlGuard;
  readonly now: () => Date;
  /** For one try, from the resolver to the end of the answer. */
  readonly timeoutMs?: number;
}

/** The hook that posts to the app's address. Source: Standard Webhooks. */
export function createWebhookHook({
  guard,
  now,
  timeoutMs = 15_000,
}: WebhookHookOptions): ReleaseHook {
  return {
    deliver: async (input) => {
      const timeout = AbortSignal.timeout(timeoutMs);
      const signal = AbortSignal.any([timeout, input.signal]);
      try {
        return await deliverOnce({ ...input, signal }, { guard, now });
      } catch (error) {
        if (!isTrouble(error, signal)) throw error;
        const host = URL.parse(input.url)?.host ?? 'the hook';
        if (timeout.aborted) return failed(`${host} did not answer within ${timeoutMs / 1000} s`);
        if (signal.aborted) return failed(`stopped before ${host} had answered`);
        // Several addresses that all failed make an error with a code and no message.
        return failed(`${host}: ${error.message || (error.code ?? 'no connection')}`);
      }
    },
  };
}

/** Whether it is the network's or the signal's doing; anything else is a mistake of ours. */
function isTrouble(error: unknown, signal: AbortSignal): error is Error & { code?: string } {
  return signal.aborted || (error instanceof Error && 'code' in error);
}

async function deliverOnce(
  input: DeliveryInput,
  { guard, now }: Pick<WebhookHookOptions, 'guard' | 'now'>,
): Promise<DeliveryResult> {
  const { deliveryId, signal } = input;
  // A resolver cannot be stopped; it is left behind.
  const verdict = await unlessAborted(guard(input.url), signal);
  if (!verdict.ok) return verdict.temporary ? failed(verdict.why) : refused(verdict.why);
  const body = JSON.stringify(input.body);
  const timestamp = Math.floor(now().getTime() / 1000);
  const answer = await postOnce({
    target: verdict.target,
    headers: {
      'webhook-id': deliveryId,
      'webhook-timestamp': String(timestamp),
      'webhook-signature': signDelivery({ deliveryId, timestamp, body }, input.secret),
    },
    body,
    signal,
  });
  return judge(answer, { url: verdict.target.url, now: now() });
}

/** What a status means. Source: Standard Webhooks, "Operational considerations": 410 ends it, no redirects. */
function judge(answer: PostAnswer, { url, now }: { url: URL; now: Date }): DeliveryResult {
  const { status } = answer;
  if (status >= 200 && status < 300) return { ok: true, status };
  if (status >= 300 && status < 400) {
    const to = URL.parse(answer.location ?? '', url.href)?.host ?? 'nowhere';
    return refused(
      `${url.host} redirects (${status}) to ${to}; set the address that answers itself`,
    );
  }
  const said = `${url.host} answered ${status}`;
  if (status >= 400 && status < 500 && status !== 408 && status !== 429) return refused(said);
  return failed(said, retryAfterMs(answer.retryAfter, now));
}

/** Seconds, or a date. Source: RFC 9110, 10.2.3. Bounded by a day. */
function retryAfterMs(text: string | undefined, now: Date): number | undefined {
  if (text === undefined) return undefined;
  const waitMs = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - now.getTime();
  return Number.isNaN(waitMs) ? undefined : Math.min(Math.max(0, waitMs), 86_400_000);
}

function refused(detail: string): DeliveryResult {
  return { ok: false, failure: failureOf('HookRefused', { detail }) };
}

function failed(detail: string, retryAfterMs?: number): DeliveryResult {
  const failure = failureOf('HookFailed', { detail });
  return { ok: false, failure, ...(retryAfterMs !== undefined && { retryAfterMs }) };
}
