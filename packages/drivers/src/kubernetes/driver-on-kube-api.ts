/** The driver before an API server that answers as a test wants. Imported by tests alone. */
import { setTimeout as delay } from 'node:timers/promises';
import type { KubeApi } from '../../../../test/parts/kube-api.ts';
import { createKubeClient } from './kube-client.ts';
import { createKubernetesDriver, type KubernetesDriverOptions } from './kubernetes-driver.ts';
import { smallJob } from './kubernetes-driver-parts.ts';

/** It waits a hundredth of the time, and has no credentials to give. */
export function driverOn(
  { kubeConfig }: KubeApi,
  changes: Partial<KubernetesDriverOptions> = {},
): ReturnType<typeof createKubernetesDriver> {
  return createKubernetesDriver({
    client: createKubeClient({
      kubeConfig,
      namespace: 'builds',
      limits: { attempts: 3, callTimeoutMs: 500 },
      now: () => new Date(),
      random: () => 0.5,
      wait: (ms, signal) => delay(ms / 100, undefined, { signal }),
    }),
    containerFor: () => ({ image: 'builder:1', args: [], environment: {} }),
    platformRefusal: () => undefined,
    explainLog: () => undefined,
    readableLog: (lines) => lines,
    job: { ...smallJob, ownImage: 'hephy:1' },
    credentials: () => Promise.resolve({ ok: true, credentials: {} }),
    grantSource: () => Promise.resolve('http://worker.example/v1/sources/grant'),
    onError: () => undefined,
    ...changes,
  });
}
