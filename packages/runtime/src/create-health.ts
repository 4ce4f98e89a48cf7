import { unlessAborted } from '@hephy/core';

/** Throws, or rejects, when what it looks at is not well. */
export type HealthCheck = () => unknown;

export interface HealthState {
  readonly ok: boolean;
  /** For each check `ok`, or what is wrong, for the operator; also of what is not needed. */
  readonly checks: Readonly<Record<string, string>>;
}

export interface Health {
  /** Adds something that this process asks for; with `needed: false`, it does its part without, if later. */
  add(name: string, check: HealthCheck, options?: { readonly needed?: boolean }): void;
  /** For `/livez`: whether this process still answers. It looks at nothing outside, which a restart would not mend. */
  live(): HealthState;
  /** For `/readyz`: whether this process can do its part; the answer is kept for a second. */
  ready(): Promise<HealthState>;
}

const keptMs = 1_000;

/** Keeps the state that probes ask for. Not ready as soon as `stopping` aborts. Each check has `boundMs`. */
export function createHealth(options: {
  stopping: AbortSignal;
  now: () => Date;
  boundMs?: number;
}): Health {
  const checks = new Map<string, Check>();
  let last: { at: number; state: Promise<HealthState> } | undefined;
  return {
    add: (name, check, { needed = true } = {}) => void checks.set(name, { check, needed }),
    live: () => ({ ok: true, checks: {} }),
    ready: () => {
      if (options.stopping.aborted) {
        return Promise.resolve({ ok: false, checks: { process: 'is stopping' } });
      }
      const at = options.now().getTime();
      if (!last || at - last.at >= keptMs) {
        last = { at, state: runChecks(checks, options.boundMs ?? 2_000) };
      }
      return last.state;
    },
  };
}

interface Check {
  readonly check: HealthCheck;
  readonly needed: boolean;
}

async function runChecks(
  checks: ReadonlyMap<string, Check>,
  boundMs: number,
): Promise<HealthState> {
  const results = await Promise.all(
    [...checks].map(async ([name, { check }]) => [name, await runCheck(check, boundMs)] as const),
  );
  return {
    ok: results.every(([name, result]) => result === 'ok' || !checks.get(name)?.needed),
    checks: Object.fromEntries(results),
  };
}

async function runCheck(check: HealthCheck, boundMs: number): Promise<string> {
  const bound = AbortSignal.timeout(boundMs);
  try {
    await unlessAborted((async () => check())(), bound);
    return 'ok';
  } catch (error) {
    if (bound.aborted) return `no answer within ${boundMs} ms`;
    return error instanceof Error ? error.message : String(error);
  }
}
