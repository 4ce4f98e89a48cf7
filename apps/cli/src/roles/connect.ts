import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import {
  connectRedis,
  createBuildSignals,
  createStepQueue,
  tolerant,
  type RedisAddress,
  type RedisConnection,
} from '@hephy/queue';
import {
  createHealth,
  createIds,
  repeat,
  type Logger,
  type Settings,
  type Shutdown,
} from '@hephy/runtime';
import {
  createApps,
  createBuildQueries,
  createBuildRecords,
  createDeliveries,
  createPlatforms,
  createPushes,
  createUsers,
  migrate,
  openDatabase,
  type DatabasePlace,
} from '@hephy/store';

/** Where this process finds the stores: the servers of the settings, or the embedded ones. */
export interface Places {
  readonly database: DatabasePlace;
  readonly redis: RedisAddress;
  /** `host[:port][/prefix]` */
  readonly registry: string;
  readonly plainHttp: boolean | undefined;
}

export interface ConnectInput {
  readonly settings: Settings;
  readonly places: Places;
  /** What programs of others are given. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

export type Connections = Awaited<ReturnType<typeof connect>>;

/** A lease outlives a few lost renewals, and is what a killed process costs at most. */
const leaseMs = 15_000;

const now = (): Date => new Date();

/** Opens the stores that every role works with; each is closed by `shutdown`, the last first. */
export async function connect(
  { settings, places, environment }: ConnectInput,
  { shutdown, log }: { shutdown: Shutdown; log: Logger },
) {
  const newId = createIds({ now, random: Math.random });
  const onError = (error: unknown): void => log.error({ err: error }, 'failed in the background');
  const database = await openDatabase(places.database, { onIdleError: onError });
  shutdown.add('database', () => database.close());
  await migrate(database.db);
  const redis = (role: 'producer' | 'worker' | 'subscriber'): RedisConnection => {
    const connection = connectRedis(places.redis, role, onError);
    shutdown.add(`redis ${role}`, () => connection.close());
    return connection;
  };
  const producer = redis('producer');
  const signals = createBuildSignals({
    publisher: producer,
    subscriber: redis('subscriber'),
    onError,
  });
  shutdown.add('signals', () => signals.close());
  const steps = createStepQueue({ connection: producer, now, onError });
  shutdown.add('queue', () => steps.close());
  const health = createHealth({ stopping: shutdown.signal, now });
  // Pushes are recorded, and sources fetched, while Redis is away.
  health.add('redis', () => producer.ping(), { needed: false });
  const { db } = database;
  const queries = createBuildQueries(db);
  health.add('database', () => queries.countLiveBuilds());
  return {
    settings,
    places,
    environment,
    shutdown,
    log,
    now,
    newId,
    onError,
    health,
    database,
    records: createBuildRecords(db),
    pushes: createPushes(db),
    deliveries: createDeliveries(db),
    apps: createApps(db),
    users: createUsers(db),
    platforms: createPlatforms(db),
    queries,
    queue: tolerant(steps, onError),
    signals,
    producer,
    newRedis: redis,
    repeat: (everyMs: number, callback: () => unknown) => repeat(everyMs, callback, onError),
    wait: (milliseconds: number, signal: AbortSignal): Promise<void> =>
      setTimeout(milliseconds, undefined, { signal }),
    leaseMs,
  };
}

/** The folder of one part of the service's data. */
export function dataPath({ settings }: Pick<Connections, 'settings'>, part: string): string {
  return join(settings.dataDirectory, part);
}
