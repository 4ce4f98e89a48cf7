import { setTimeout as delay } from 'node:timers/promises';
import type { Descriptor } from '@hephy/oci';
import { createAuthorizer } from './auth.ts';
import type { CredentialSource } from './auth.ts';
import { blobExists, getBlob, uploadBlob } from './blobs.ts';
import type { BlobToUpload } from './blobs.ts';
import { createHttp } from './http.ts';
import { defaultLimits } from './limits.ts';
import type { RegistryLimits } from './limits.ts';
import { getManifest, headManifest, putManifest } from './manifests.ts';
import type { Manifest, ManifestHead, ManifestToPut } from './manifests.ts';
import { registryOrigin } from './origin.ts';
import type { Reach } from './reach.ts';
import { call } from './session.ts';
import type { CallOptions, Session } from './session.ts';
import { tryPush } from './try-push.ts';

export interface RegistryClientOptions {
  /** `host` or `host:port`; `docker.io` means Docker Hub. */
  readonly registry: string;
  /** Asked for each login, so that they may change while we run. */
  readonly credentials?: CredentialSource;
  /** Left out: http on this machine, https to everywhere else. */
  readonly plainHttp?: boolean;
  /** Left out: every address may be dialed. For registries that a stranger names. */
  readonly reach?: Reach;
  readonly limits?: Partial<RegistryLimits>;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
  readonly random?: () => number;
  readonly wait?: (ms: number, signal?: AbortSignal) => Promise<void>;
}

/** A client of one registry (OCI distribution-spec v1.1). Each method throws `RegistryFailure`, after the
 *  tries that its limits allow, or its signal's reason. `reference` is a tag or a digest. */
export interface RegistryClient {
  /** As it was given: `host[:port]`. */
  readonly registry: string;
  /** Whether it answers, and takes our credentials. */
  ping(options?: CallOptions): Promise<void>;
  headManifest(
    repository: string,
    reference: string,
    options?: CallOptions,
  ): Promise<ManifestHead | undefined>;
  getManifest(
    repository: string,
    reference: string,
    options?: CallOptions,
  ): Promise<Manifest | undefined>;
  putManifest(manifest: ManifestToPut, options?: CallOptions): Promise<{ digest: string }>;
  blobExists(repository: string, digest: string, options?: CallOptions): Promise<boolean>;
  getBlob(
    repository: string,
    descriptor: Descriptor,
    options?: CallOptions,
  ): Promise<Uint8Array | undefined>;
  uploadBlob(blob: BlobToUpload, options?: CallOptions): Promise<{ uploaded: boolean }>;
  /** Resolves where we may push to the repository; leaves nothing there. */
  tryPush(repository: string, options?: CallOptions): Promise<void>;
  close(): Promise<void>;
}

export function createRegistryClient(options: RegistryClientOptions): RegistryClient {
  const session = createSession(options);
  return {
    registry: options.registry,
    ping: ({ signal } = {}) =>
      call(
        {
          method: 'GET',
          url: new URL('/v2/', session.registry),
          scopes: [],
          expect: [200],
          signal,
        },
        session,
        (answer) => answer.drain(),
      ),
    headManifest: (repository, reference, options = {}) =>
      headManifest({ repository, reference }, session, options),
    getManifest: (repository, reference, options = {}) =>
      getManifest({ repository, reference }, session, options),
    putManifest: (manifest, options = {}) => putManifest(manifest, session, options),
    blobExists: (repository, digest, options = {}) =>
      blobExists({ repository, digest }, session, options),
    getBlob: (repository, descriptor, options = {}) =>
      getBlob({ repository, descriptor }, session, options),
    uploadBlob: (blob, options = {}) => uploadBlob(blob, session, options),
    tryPush: (repository, options = {}) => tryPush(repository, session, options),
    close: () => session.http.close(),
  };
}

function createSession(options: RegistryClientOptions): Session {
  const registry = registryOrigin(options.registry, options.plainHttp);
  const limits = { ...defaultLimits, ...options.limits };
  const http = createHttp(limits, options.reach);
  const now = options.now ?? Date.now;
  return {
    registry,
    limits,
    http,
    now,
    authorizer: createAuthorizer({
      registry,
      credentials: options.credentials,
      http,
      limits,
      now,
    }),
    random: options.random ?? Math.random,
    wait: options.wait ?? waitOnClock,
    hold: { untilMs: 0 },
  };
}

async function waitOnClock(ms: number, signal?: AbortSignal): Promise<void> {
  try {
    await delay(ms, undefined, signal && { signal });
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  }
}
