/** What the tests of the API stand on: the real record in memory, a real Redis, people with their tokens, and builds. */
import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AppSettings } from '@hephy/core';
import {
  bullBoardQueues,
  connectRedis,
  createBuildSignals,
  createStepQueue,
  type RedisRole,
} from '@hephy/queue';
import { createHealth, createIds, createLogger } from '@hephy/runtime';
import {
  createApps,
  createBuildQueries,
  createBuildRecords,
  createDeliveries,
  createPlatforms,
  createPushes,
  createUsers,
  hashToken,
  migrate,
  newToken,
  openDatabase,
} from '@hephy/store';
import type { FastifyInstance } from 'fastify';
import { startRedis } from '../../../test/parts/redis.ts';
import { createApi } from './create-api.ts';
import type { ApiDeps, ApiLimits } from './deps.ts';

export type Rig = Awaited<ReturnType<typeof startRig>>;
export type Person = 'operator' | 'owner' | 'deployer' | 'reader' | 'stranger';

export const sha = 'c0ffee'.padEnd(40, '0');
export const platforms = ['linux/amd64', 'linux/arm64'];
export const digest = `sha256:${'d'.repeat(64)}`;

const now = (): Date => new Date();
const ignore = (): void => undefined;

/** The queues and signals as the processes have them. */
async function connectQueues(socketPath: string) {
  const open = (role: RedisRole) => connectRedis({ socketPath }, role, ignore);
  const producer = open('producer');
  const subscriber = open('subscriber');
  const signals = createBuildSignals({ publisher: producer, subscriber, onError: ignore });
  const queue = createStepQueue({ connection: producer, now, onError: ignore });
  const board = bullBoardQueues({ connection: producer, onError: ignore });
  await producer.ready();
  await Promise.all(board.queues.map((one) => one.waitUntilReady()));
  return {
    signals,
    queue,
    bullBoardQueues: board.queues,
    close: async () => {
      await board.close();
      await queue.close();
      signals.close();
      await Promise.all([producer.close(), subscriber.close()]);
    },
  };
}

export async function startRig(limits: Partial<ApiLimits> = {}) {
  const redis = await startRedis();
  const logged: string[] = [];
  const stopping = new AbortController();
  const { close, ...queues } = await connectQueues(redis.socketPath);
  const cacheDirectory = join(tmpdir(), 'hephy-builder-tests');
  const database = await openDatabase({ directory: undefined, cacheDirectory });
  await migrate(database.db);
  const health = createHealth({ stopping: stopping.signal, now });
  const deps: ApiDeps = {
    users: createUsers(database.db),
    apps: createApps(database.db),
    queries: createBuildQueries(database.db),
    pushes: createPushes(database.db),
    deliveries: createDeliveries(database.db),
    platforms: createPlatforms(database.db),
    records: createBuildRecords(database.db),
    ...queues,
    health,
    registry: 'registry.test:5000',
    defaultPlatforms: ['linux/amd64', 'linux/arm64'],
    gitUrl: 'http://git.test',
    now,
    newId: createIds({ now, random: Math.random }),
    randomBytes,
    log: createLogger({
      level: 'info',
      name: 'api',
      destination: { write: (line) => void logged.push(line) },
    }),
    limits: { requestsPerMinute: 100_000, ...limits },
  };
  const servers: FastifyInstance[] = [];
  /** One more API over the same stores, with some parts or limits of its own. */
  const serve = async (changed: Partial<ApiDeps>): Promise<FastifyInstance> => {
    const made = await createApi({ ...deps, ...changed });
    servers.push(made);
    await made.ready();
    return made;
  };
  return {
    ...deps,
    server: await serve({}),
    serve,
    logged,
    redis,
    database,
    stop: async () => {
      await Promise.all(servers.map((server) => server.close()));
      await close();
      await redis.stop();
      await database.close();
    },
  };
}

/** Makes people, each with a token, and the app `shop` on which they hold the right of their name. */
export async function settle({ users, apps, newId, now }: ApiDeps) {
  const make = async (name: Person): Promise<{ id: string; token: string }> => {
    const id = newId();
    const token = newToken(randomBytes);
    await users.createUser({ id, name, operator: name === 'operator', createdAt: now() });
    const facts = { id: newId(), userId: id, name: 'test', hash: hashToken(token) };
    await users.createToken({ ...facts, createdAt: now() });
    return { id, token };
  };
  const people = {
    operator: await make('operator'),
    owner: await make('owner'),
    deployer: await make('deployer'),
    reader: await make('reader'),
    stranger: await make('stranger'),
  };
  const makeApp = async (name: string) => {
    const settings = AppSettings.parse({ platforms });
    const app = { id: newId(), name, settings, createdAt: now() };
    await apps.createApp(app);
    for (const right of ['owner', 'deployer', 'reader'] as const) {
      await apps.grant({ appId: app.id, userId: people[right].id, right });
    }
    return app;
  };
  return { people, makeApp, app: await makeApp('shop') };
}

export interface Sent {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly url: string;
  readonly token?: string | undefined;
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
}

export function send(server: FastifyInstance, { method, url, token, body, headers }: Sent) {
  return server.inject({
    method,
    url,
    headers: {
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body !== undefined && { payload: JSON.stringify(body) }),
  });
}
