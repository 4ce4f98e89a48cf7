import { once } from 'node:events';
import { Redis, type RedisOptions } from 'ioredis';
import { watchOutages } from './once-per-outage.ts';

type ConnectionOptions = Omit<RedisOptions, 'replyMapping'>;

/** `redis://` or `rediss://`; or a unix socket's absolute path. */
export type RedisAddress = { readonly url: string } | { readonly socketPath: string };

/**
 * What a connection is for: a producer answers at once, even if the answer is that Redis is away; a worker and a
 * subscriber wait for Redis to come back.
 */
export type RedisRole = 'producer' | 'worker' | 'subscriber';

/** The longest that a producer waits for Redis before it says that Redis is away. */
const patienceMs = 1_000;

export interface RedisConnection {
  readonly role: RedisRole;
  readonly redis: Redis;
  /** Keeps back what was told already of the outage that lasts. */
  oncePerOutage(onError: (error: Error) => void): (error: Error) => void;
  /** Waits until commands can be sent; throws after a second. */
  ready(): Promise<void>;
  /** Throws unless Redis answers within a second: for readiness. */
  ping(): Promise<void>;
  /** Ends politely within a second, else by dropping the socket. */
  close(): Promise<void>;
}

/**
 * Starts a connection that keeps coming back, at most 2 s apart, until it is closed. Answers before it is connected;
 * `onError` hears once of each outage.
 */
export function connectRedis(
  address: RedisAddress,
  role: RedisRole,
  onError: (error: Error) => void,
): RedisConnection {
  const options: ConnectionOptions = { ...commonOptions, ...roleOptions[role] };
  const redis =
    'url' in address
      ? new Redis(address.url, options)
      : new Redis({ ...options, path: address.socketPath });
  // Each queue and each worker on the connection listens to it; to 0, which has no limit either, BullMQ would add.
  redis.setMaxListeners(Infinity);
  const oncePerOutage = watchOutages(redis);
  redis.on('error', oncePerOutage(onError));
  return {
    role,
    redis,
    oncePerOutage,
    ready: () => untilReady(redis),
    ping: async () => {
      await untilReady(redis);
      await within(redis.ping());
    },
    close: async () => {
      if (redis.status === 'ready') await within(redis.quit()).catch(onError);
      redis.disconnect();
    },
  };
}

const commonOptions = {
  // BullMQ sets none and its own waits reach 20 s: too long after Redis is back.
  retryStrategy: (times: number) => Math.min(50 * 2 ** Math.min(times, 10), 2_000),
  // A replica that was the primary before: connect again, and be led to the new one.
  reconnectOnError: (error: Error) => error.message.startsWith('READONLY'),
  connectTimeout: 5_000,
} satisfies ConnectionOptions;

const roleOptions: Record<RedisRole, ConnectionOptions> = {
  // No command timeout either: a queue whose first command ran into one would be dead for good. `within` bounds the wait.
  producer: { enableOfflineQueue: false, maxRetriesPerRequest: 1 },
  // No command timeout: a worker's commands block until there is work.
  worker: { maxRetriesPerRequest: null },
  // Build signals subscribe by themselves, so that they know when they hear again.
  subscriber: {
    enableOfflineQueue: false,
    autoResubscribe: false,
    autoResendUnfulfilledCommands: false,
    commandTimeout: 5_000,
  },
};

async function untilReady(redis: Redis): Promise<void> {
  if (redis.status === 'ready') return;
  await once(redis, 'ready', { signal: AbortSignal.timeout(patienceMs) }).catch(
    (cause: unknown) => {
      throw new Error('Redis is away', { cause });
    },
  );
}

/** Rejects after a second; what was sent may still take effect. */
export async function within<T>(answer: Promise<T>): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => reject(new Error(`Redis did not answer within ${patienceMs} ms`)),
    patienceMs,
  );
  return Promise.race([answer, late]).finally(() => clearTimeout(timer));
}
