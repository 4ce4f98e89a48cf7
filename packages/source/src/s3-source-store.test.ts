/** A server that fails, for good. Whatever needs one that works is in `s3-source-store.cluster.test.ts`. */
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { buffer } from 'node:stream/consumers';
import { inspect } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  startFaultProxy,
  type FaultKind,
  type FaultProxy,
} from '../../../test/parts/fault-proxy.ts';
import type { S3Limits } from './open-bucket.ts';
import { openS3SourceStore } from './open-s3-source-store.ts';
import type { S3SourceStore } from './s3-source-store.ts';
import { SourceAway, SourceDamaged, type PutResult } from './source-store.ts';

let spoolDirectory: string;
let server: FaultProxy;
let store: S3SourceStore;
let errors: unknown[];
let waits: number[];

const credentials = { accessKeyId: 'tester', secretAccessKey: 'secret-of-the-tester' };

async function openStore(endpoint: string, limits: Partial<S3Limits> = {}, hasKey = true) {
  [errors, waits] = [[], []];
  const place = { bucket: 'sources', prefix: '', region: 'us-east-1', endpoint, spoolDirectory };
  return openS3SourceStore(
    { ...place, ...(hasKey && { credentials }) },
    {
      wait: async (milliseconds) => void waits.push(milliseconds),
      onError: (error) => errors.push(error),
      limits: { idleMs: 300, ...limits },
    },
  );
}

beforeAll(async () => {
  spoolDirectory = await mkdtemp(path.join(tmpdir(), 'hephy-spool-'));
  server = await startFaultProxy();
});
beforeEach(async () => {
  store = await openStore(server.url);
});
afterEach(() => store.close());
afterAll(async () => {
  await server.stop();
  await rm(spoolDirectory, { recursive: true, force: true });
});

const bytes = randomBytes(300_000);
const source = {
  sha256: createHash('sha256').update(bytes).digest('hex'),
  sizeBytes: bytes.length,
};

async function* pieces(): AsyncGenerator<Buffer> {
  yield bytes.subarray(0, 100_000);
  yield bytes.subarray(100_000);
}
const put = (): Promise<PutResult> =>
  store.put(pieces(), { maxBytes: 1e6, signal: AbortSignal.timeout(30_000) });

const read = (): Promise<Buffer> => buffer(store.open(source));

const answer = (status: number, code?: string): FaultKind => ({
  do: 'answer',
  status,
  ...(code !== undefined && { body: `<Error><Code>${code}</Code></Error>` }),
});
const notStored = (detail: string): PutResult => ({
  ok: false,
  failure: { reason: 'SourceNotStored', detail },
});
const page: FaultKind = { do: 'answer', status: 200, body: '<html>Welcome</html>' };

describe('a source that the bucket does not take is refused with a sentence', () => {
  test.each<[string, FaultKind, string]>([
    ['503', answer(503, 'SlowDown'), '503 SlowDown'],
    ['500 without words', answer(500), '500'],
    ['429', answer(429), '429'],
    ['a clock that is off', answer(403, 'RequestTimeTooSkewed'), '403 RequestTimeTooSkewed'],
    ['a broken connection', { do: 'reset' }, 'ECONNRESET'],
    ['silence', { do: 'hang' }, 'it says nothing'],
  ])('after some tries: %s', async (_, fault, why) => {
    server.script({ ...fault, times: 100 });
    const sentence = `the bucket sources does not answer (${why})`;
    expect(await put()).toEqual(notStored(`${sentence}; push again later`));
    expect(server.requests).toHaveLength(3);
    expect(waits).toEqual([200, 400]);
    expect(errors).toMatchObject([{ message: sentence }]);
    expect(await readdir(spoolDirectory)).toEqual([]);
  });

  const denied = 'access to the bucket sources is denied';
  test.each<[string, FaultKind, string]>([
    ['denied', answer(403, 'AccessDenied'), `${denied} (403 AccessDenied)`],
    ['no such key', answer(403, 'InvalidAccessKeyId'), `${denied} (403 InvalidAccessKeyId)`],
    ['no bucket', answer(404, 'NoSuchBucket'), 'there is no bucket sources (404 NoSuchBucket)'],
    ['another region', answer(301), 'the bucket sources is in another region (301)'],
    ['a page', page, 'what answers for the bucket sources is not an S3 server'],
  ])('at once: %s', async (_, fault, sentence) => {
    server.script({ ...fault, times: 100 });
    expect(await put()).toEqual(notStored(`${sentence}; its operator has to change that`));
    expect(server.requests).toHaveLength(1);
    expect(errors).toMatchObject([{ message: sentence }]);
    expect(await readdir(spoolDirectory)).toEqual([]);
  });

  for (const full of [answer(507), answer(403, 'QuotaExceeded')]) {
    test(`a full one: ${inspect(full)}`, async () => {
      server.script(full);
      const failure = { reason: 'DiskFull', detail: 'the bucket sources' };
      expect(await put()).toEqual({ ok: false, failure });
    });
  }

  test('nobody listens', async () => {
    store = await openStore('http://127.0.0.1:1');
    const detail = 'the bucket sources does not answer (ECONNREFUSED); push again later';
    expect(await put()).toEqual(notStored(detail));
  });

  test('nobody knows who we are', async () => {
    vi.stubEnv('AWS_EC2_METADATA_DISABLED', 'true');
    vi.stubEnv('AWS_SHARED_CREDENTIALS_FILE', '/dev/null');
    vi.stubEnv('AWS_CONFIG_FILE', '/dev/null');
    try {
      store = await openStore(server.url, {}, false);
      server.script();
      const sentence = 'there are no credentials for the bucket sources';
      expect(await put()).toEqual(notStored(`${sentence}; its operator has to change that`));
      expect(server.requests).toEqual([]);
    } finally {
      vi.unstubAllEnvs();
    }
  });
});

test('what a server repeats of a request is not in the error', async () => {
  const repeated = '<CanonicalRequest>x-amz-security-token:the-token</CanonicalRequest>';
  const body = `<Error><Code>SignatureDoesNotMatch</Code>${repeated}</Error>`;
  server.script({ do: 'answer', status: 403, body });
  await put();
  expect(inspect(errors, { depth: 20, showHidden: true })).not.toMatch(/the-token|secret-of/);
});

describe('a source that cannot be read', () => {
  test.each<[string, FaultKind]>([
    ['503', answer(503)],
    ['403', answer(403, 'AccessDenied')],
    ['no such bucket', answer(404, 'NoSuchBucket')],
    ['silence', { do: 'hang' }],
    ['a broken connection', { do: 'reset' }],
  ])('may be well: %s', async (_, fault) => {
    server.script({ ...fault, times: 100 });
    await expect(read()).rejects.toBeInstanceOf(SourceAway);
  });

  test.each<[string, FaultKind]>([
    ['is not there', answer(404, 'NoSuchKey')],
    ['is another', page],
  ])('%s', async (_, fault) => {
    server.script(fault);
    const error = await read().catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(SourceDamaged);
    expect(error).not.toBeInstanceOf(SourceAway);
  });
});

describe('a look at the bucket', () => {
  test.each<[string, FaultKind, string]>([
    ['denied', answer(403, 'AccessDenied'), 'access to the bucket sources is denied'],
    ['a page', page, 'what answers for the bucket sources is not an S3 server'],
    ['half an answer', { ...page, body: '<ListBucketResult><Name>' }, 'is not an S3 server'],
  ])('%s', async (_, fault, words) => {
    server.script(fault);
    await expect(store.check()).rejects.toThrow(words);
  });

  test('is over in its time, however slowly the answer comes', async () => {
    await using slow = await serve((_, response) => {
      const timer = setInterval(() => response.write(' '), 20);
      response.once('close', () => clearInterval(timer));
    });
    store = await openStore(slow.url, { checkMs: 400 });
    await expect(store.check()).rejects.toThrow('does not answer (not within 0.4 s)');
  });

  test('does not keep an answer without an end', async () => {
    let sent = 0;
    await using endless = await serve((_, response) => {
      const more = (): void => {
        sent += 65_536;
        response.write(Buffer.alloc(65_536, ' '), () => void (response.destroyed || more()));
      };
      more();
    });
    store = await openStore(endless.url, { tries: 1 });
    await expect(store.check()).rejects.toThrow('the bucket sources');
    expect(sent).toBeLessThan(64 * 1024 ** 2);
  });
});

test('a reader that stops early lets go of the connection', async () => {
  const left = Promise.withResolvers<void>();
  await using endless = await serve((_, response) => {
    response.once('close', () => left.resolve());
    response.writeHead(200, { 'content-length': 1e9 });
    const more = (): void => {
      response.write(Buffer.alloc(65_536), () => void (response.destroyed || more()));
    };
    more();
  });
  store = await openStore(endless.url, { idleMs: 60_000 });
  for await (const chunk of store.open({ ...source, sizeBytes: 1e9 })) {
    expect(chunk).toBeInstanceOf(Buffer);
    break;
  }
  await left.promise;
});

async function serve(listener: RequestListener): Promise<{ url: string } & AsyncDisposable> {
  const http = createServer(listener);
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  return {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      http.close();
      http.closeAllConnections();
    },
  };
}
