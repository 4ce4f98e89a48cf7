export { createUrlGuard, type UrlGuard, type GuardedTarget, type UrlVerdict } from './url-guard.ts';
export { ReleaseBody, releaseBody } from './release-body.ts';
export { newHookSecret, signDelivery } from './sign-delivery.ts';
export {
  createWebhookHook,
  type DeliveryResult,
  type ReleaseHook,
  type WebhookHookOptions,
} from './webhook-hook.ts';
