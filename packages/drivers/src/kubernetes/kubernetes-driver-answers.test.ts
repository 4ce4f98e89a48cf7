/** What the driver makes of refusals: of a builder that it starts, or takes up, and of the log of one that has failed. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import {
  hang,
  json,
  refuse,
  reset,
  startKubeApi,
  stream,
  type KubeApi,
  type Turn,
} from '../../../../test/parts/kube-api.ts';
import { makeSpec } from '../local-driver-parts.ts';
import { driverOn } from './driver-on-kube-api.ts';
import { backoffLimit, builderName, exited, pod } from './pod-states.ts';

let api: KubeApi;
let driver: ReturnType<typeof driverOn>;
beforeEach(async () => {
  api = await startKubeApi();
});
afterEach(async () => {
  await driver.close();
  await api.stop();
});

const listOf = (...items: object[]) => json({ metadata: { resourceVersion: '1' }, items });
const failing = refuse(500, 'InternalError');
const limited = refuse(429, 'TooManyRequests');
const result = () => driver.result(builderName, { signal: new AbortController().signal });
const reasonIs = (reason: string) => ({ ok: false, failure: { reason } });
const forbidden = (message: string) => refuse(403, 'Forbidden', { message });

/** A cluster without builders, that answers each POST as the path's turn says. */
function openEmpty(posts: { jobs: Turn; secrets?: Turn; get?: Turn }): void {
  api.script((response, request) => {
    if (request.query['watch'] === 'true') return hang(response, request);
    if (request.method === 'POST') {
      const turn = request.path.endsWith('/jobs') ? posts.jobs : (posts.secrets ?? hang);
      return turn(response, request);
    }
    const isList = /\/(?:jobs|pods|nodes)$/.test(request.path);
    return (isList ? listOf() : (posts.get ?? hang))(response, request);
  });
}

const spec = makeSpec({ sha256: '0'.repeat(64), sizeBytes: 1 });

describe('a KubeJob that is not made', () => {
  test.for([
    ['AdmissionRefused', forbidden('violates PodSecurity "baseline:latest": hostPath')],
    ['AdmissionRefused', refuse(422, 'Invalid', { message: 'spec.template: Invalid value' })],
    ['QuotaExceeded', forbidden('exceeded quota: few')],
    ['ClusterUnavailable', refuse(401, 'Unauthorized')],
    ['ClusterUnavailable', json(['no KubeJob'], 201)],
  ] as const)('is told as %s', async ([reason, jobs]) => {
    openEmpty({ jobs });
    driver = driverOn(api);
    const failure = { reason, platform: spec.platform };
    expect(await driver.startOrAdopt(spec)).toMatchObject({ ok: false, failure });
  });
});

const Posted = z.looseObject({ metadata: z.looseObject({}) });

test('a builder is taken up although the quota refuses a Secret that may be there already', async () => {
  const errors: unknown[] = [];
  const madeBefore: Turn = (response, request) => {
    const { body } = api.requests.find(({ method }) => method === 'POST') ?? request;
    const { metadata, ...job } = Posted.parse(JSON.parse(body));
    return json({ ...job, metadata: { ...metadata, uid: 'u-1' } })(response, request);
  };
  openEmpty({
    jobs: refuse(409, 'AlreadyExists'),
    get: madeBefore,
    secrets: forbidden('exceeded quota: few'),
  });
  driver = driverOn(api, { onError: (error) => errors.push(error) });
  expect(await driver.startOrAdopt(spec)).toEqual({ ok: true, adopted: true });
  expect(errors).toMatchObject([{ status: 403 }]);
});

/** Each reading of its log is answered by the next turn, the last one again and again. */
function openFailed(...readings: Turn[]): void {
  const failed = pod({ build: exited(1) });
  const labels = { 'batch.kubernetes.io/job-name': builderName };
  const turns = [...readings];
  api.script((response, request) => {
    if (request.query['watch'] === 'true') return hang(response, request);
    if (request.path.endsWith('/log')) {
      return ((turns.length > 1 ? turns.shift() : turns[0]) ?? hang)(response, request);
    }
    const ofPods = { ...failed, metadata: { ...failed.metadata, labels } };
    return listOf(request.path.endsWith('/pods') ? ofPods : backoffLimit)(response, request);
  });
  driver = driverOn(api, {
    explainLog: (tail) =>
      tail.includes('push refused') ? { reason: 'RegistryUnavailable' } : undefined,
  });
}

describe('the log of a builder that has failed', () => {
  test('is read until it says why', async () => {
    openFailed(failing, limited, reset, stream(['push ref'], 'cut'), stream(['push refused\n']));
    expect(await result()).toMatchObject(reasonIs('RegistryUnavailable'));
  });

  test('is not read without end', async () => {
    openFailed(failing);
    expect(await result()).toMatchObject(reasonIs('BuildFailed'));
    expect(api.requests.filter(({ path }) => path.endsWith('/log'))).toHaveLength(10);
  });

  test('is not waited for when it is gone', async () => {
    openFailed(refuse(404, 'NotFound'));
    expect(await result()).toMatchObject(reasonIs('BuildFailed'));
    expect(api.requests.filter(({ path }) => path.endsWith('/log'))).toHaveLength(1);
  });
});
