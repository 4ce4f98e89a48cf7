import { createHmac } from 'node:crypto';

const prefix = 'whsec_';

/** The secret of a new hook: `whsec_` and 32 bytes of `random` in base64. Source: Standard Webhooks, "Signature scheme". */
export function newHookSecret(random: (size: number) => Uint8Array): string {
  return prefix + Buffer.from(random(32)).toString('base64');
}

export interface SignedDelivery {
  readonly deliveryId: string;
  /** Seconds since 1970. */
  readonly timestamp: number;
  readonly body: string;
}

/** The header `webhook-signature`. Throws unless the secret is `whsec_` and base64 of 24 to 64 bytes. */
export function signDelivery(
  { deliveryId, timestamp, body }: SignedDelivery,
  secret: string,
): string {
  const key = Buffer.from(secret.slice(prefix.length), 'base64');
  if (!secret.startsWith(prefix) || key.length < 24 || key.length > 64) {
    throw new Error(`a hook's secret is ${prefix} and base64 of 24 to 64 bytes`);
  }
  const signed = `${deliveryId}.${timestamp}.${body}`;
  return `v1,${createHmac('sha256', key).update(signed).digest('base64')}`;
}
