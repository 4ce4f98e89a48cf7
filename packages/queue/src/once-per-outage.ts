import type { Redis } from 'ioredis';

type OnError = (error: Error) => void;

/** Different words that one outage may have. */
const maxWords = 20;

/**
 * Answers what makes an `onError` tell the same thing once for as long as the connection is down: each queue, each worker
 * and each try to connect would say it again, a dozen times in a second. With the connection up, everything is told.
 */
export function watchOutages(redis: Pick<Redis, 'status' | 'on'>): (onError: OnError) => OnError {
  let timesReady = 0;
  redis.on('ready', () => (timesReady += 1));
  return (onError) => {
    const told = new Set<string>();
    let since = timesReady;
    return (error) => {
      if (since !== timesReady) told.clear();
      since = timesReady;
      if (redis.status !== 'ready') {
        if (told.has(error.message) || told.size >= maxWords) return;
        told.add(error.message);
      }
      onError(error);
    };
  };
}
