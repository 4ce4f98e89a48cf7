/**
 * Tells whoever waits that a build has grown, over Redis pub/sub: one channel for a build, one subscriber connection
 * for a process. A signal carries nothing and may be lost, so nobody is left to wait for it alone:
 *
 *     hearing ──connection lost──▶ deaf: every callback each second
 *        ▲                           │ connected: all channels subscribed again
 *        └── every callback once ◀───┘
 */
import type { BuildSignals } from '@hephy/core';
import type { RedisConnection } from './connect-redis.ts';

export interface SubscribableSignals extends BuildSignals {
  /**
   * Calls back when a build may have changed: at each signal, once when the subscription stands (what happened before
   * was not heard), and each second while Redis is away. Answers how to end it.
   */
  subscribe(buildId: string, callback: () => void): () => void;
  /** Ends the timers; the connections stay open: they are the caller's. */
  close(): void;
}

interface BuildSignalsOptions {
  /** Of role `producer`. */
  readonly publisher: RedisConnection;
  /** Of role `subscriber`. */
  readonly subscriber: RedisConnection;
  readonly onError: (error: unknown) => void;
}

/** Signals of one build are at least this far apart: a builder's log may grow a thousand times in a second. */
const pauseMs = 50;
const lookMs = 1_000;

const channelOf = (buildId: string): string => `hephy:build:${buildId}`;

export function createBuildSignals(options: BuildSignalsOptions): SubscribableSignals {
  const hearing = createHearing(options);
  return { notify: createNotify(options), subscribe: hearing.subscribe, close: hearing.close };
}

/** Sends the first signal at once, and those of the pause after it as one at its end. Waits for nothing, never fails. */
function createNotify({ publisher, onError }: BuildSignalsOptions): BuildSignals['notify'] {
  /** Builds in their pause, and whether they were signaled in it. */
  const pausing = new Map<string, boolean>();
  const send = (buildId: string): void => {
    pausing.set(buildId, false);
    setTimeout(() => {
      const again = pausing.get(buildId);
      pausing.delete(buildId);
      if (again) send(buildId);
    }, pauseMs);
    // While Redis is away nobody hears; the connection reports that by itself.
    if (publisher.redis.status !== 'ready') return;
    publisher.redis.publish(channelOf(buildId), '').catch(onError);
  };
  return async (buildId) => {
    if (pausing.has(buildId)) pausing.set(buildId, true);
    else send(buildId);
  };
}

interface Listener {
  readonly callback: () => void;
}

function createHearing({ subscriber, onError }: BuildSignalsOptions) {
  const { redis } = subscriber;
  const channels = new Map<string, Set<Listener>>();

  const call = ({ callback }: Listener): void => {
    try {
      callback();
    } catch (error) {
      onError(error);
    }
  };
  const wake = (channel: string): void => channels.get(channel)?.forEach(call);
  const wakeAll = (): void => [...channels.keys()].forEach(wake);

  /** A connection that does not answer is given up; the next one starts with all channels. */
  const orReconnect = (error: unknown): void => {
    onError(error);
    if (redis.status === 'ready') redis.disconnect(true);
  };
  const hear = async (names: readonly string[]): Promise<void> => {
    if (redis.status !== 'ready' || names.length === 0) return;
    await redis.subscribe(...names);
    names.forEach(wake);
  };
  const onReady = (): void => void hear([...channels.keys()]).catch(orReconnect);
  redis.on('ready', onReady).on('message', wake);

  const look = setInterval(() => {
    if (redis.status === 'ready') redis.ping().catch(orReconnect);
    else wakeAll();
  }, lookMs);
  look.unref();

  return {
    subscribe: (buildId: string, callback: () => void): (() => void) => {
      const channel = channelOf(buildId);
      const listener: Listener = { callback };
      const listeners = channels.get(channel) ?? new Set();
      channels.set(channel, listeners.add(listener));
      // Also for a channel that others hear already: subscribing twice is harmless, and the answer wakes this one.
      hear([channel]).catch(orReconnect);
      return () => {
        listeners.delete(listener);
        if (listeners.size > 0 || channels.get(channel) !== listeners) return;
        channels.delete(channel);
        if (redis.status === 'ready') redis.unsubscribe(channel).catch(orReconnect);
      };
    },
    close: (): void => {
      clearInterval(look);
      redis.off('ready', onReady).off('message', wake);
      channels.clear();
    },
  };
}
