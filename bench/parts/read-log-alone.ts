/** Follows a builder's log in a process of its own, with the settings that the service gives its own process. */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { cpuMs } from './cpu.ts';
import { readMemory, resetPeak } from './memory.ts';

export interface LogReading {
  readonly bytes: number;
  /** From the first chunk to the end. */
  readonly readMs: number;
  /** The most that the process held, above what it held before. */
  readonly aboveBytes: number;
  readonly idleBytes: number;
  /** The most that it held, over the most that it had held after the first `earlyBytes`. */
  readonly growth: number;
  /** CPU time of the process for the reading. */
  readonly cpuMs: number;
}

const LogRead = z.object({ bytes: z.number(), readMs: z.number(), earlyPeakBytes: z.number() });
const program = join(import.meta.dirname, 'follow-log-process.ts');
const service = join(import.meta.dirname, '../../bin/hephy');
const withinMs = 150_000;

/** Reads the log from its start until the builder has ended and all of it was read. */
export async function readLogAlone(place: {
  readonly kubeconfig: string;
  readonly namespace: string;
  readonly builder: string;
  readonly earlyBytes: number;
}): Promise<LogReading> {
  const { kubeconfig, namespace, builder, earlyBytes } = place;
  const execArgv = (await readFile(service, 'utf8')).match(/--[a-z-]+=\d+/g) ?? [];
  const child = fork(program, [kubeconfig, namespace, builder, String(earlyBytes)], {
    execArgv,
    env: { ...process.env, MALLOC_ARENA_MAX: '2' },
  });
  try {
    await said(child);
    const pid = child.pid ?? 0;
    const idle = await readMemory(pid);
    await resetPeak(pid);
    const cpuBefore = await cpuMs([pid]);
    child.send('read');
    const { earlyPeakBytes, ...read } = LogRead.parse(await said(child));
    const { peakBytes } = await readMemory(pid);
    return {
      ...read,
      aboveBytes: peakBytes - idle.nowBytes,
      idleBytes: idle.nowBytes,
      growth: peakBytes / earlyPeakBytes,
      cpuMs: (await cpuMs([pid])) - cpuBefore,
    };
  } finally {
    child.kill('SIGKILL');
  }
}

/** The next thing that it says; rejects when it ends without. */
async function said(child: ChildProcess): Promise<unknown> {
  const over = AbortSignal.timeout(withinMs);
  const ended = once(child, 'exit', { signal: over }).then(([code]) => {
    throw new Error(`the process that reads the log ended with ${code}`);
  });
  const [message] = (await Promise.race([once(child, 'message', { signal: over }), ended])) as [
    unknown,
  ];
  return message;
}
