import { spawn, type ChildProcess } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { failureOf, type Failure, type SourceRef } from '@hephy/core';
import { SourceDamaged, type SourceStore } from '@hephy/source';
import { codeOf } from './errors.ts';
import { builderScript } from './builder-script.ts';

/**
 * Unpacks a commit's tarball into `directory`, which must not exist, checking it on the way. Owners and special bits are
 * dropped; GNU tar itself takes `..` and leading slashes off names and lets no member pass through a link.
 */
export async function unpackSource(
  input: { source: SourceRef; directory: string; timeoutMs: number },
  deps: { sources: Pick<SourceStore, 'open'>; environment: Readonly<Record<string, string>> },
): Promise<Failure | undefined> {
  await mkdir(input.directory);
  const tar = spawn('bash', [builderScript, 'unpack', input.directory], {
    env: deps.environment,
    stdio: ['pipe', 'ignore', 'pipe'],
    timeout: input.timeoutMs,
    killSignal: 'SIGKILL',
  });
  const ended = endOf(tar);
  try {
    await pipeline(deps.sources.open(input.source), tar.stdin);
  } catch (error) {
    if (error instanceof SourceDamaged) {
      tar.kill('SIGKILL');
      await ended;
      return failureOf('SourceUnavailable', { detail: error.message });
    }
    // EPIPE: tar ended early, and its own words tell why.
    if (codeOf(error) !== 'EPIPE' && codeOf(error) !== 'ERR_STREAM_PREMATURE_CLOSE') throw error;
  }
  const { code, complaint } = await ended;
  if (code === 0) return undefined;
  if (code === null) {
    return failureOf('TimeLimitExceeded', { detail: 'unpacking the source took all of it' });
  }
  if (/No space left on device|Disk quota exceeded/.test(complaint)) {
    return failureOf('DiskFull', { detail: 'unpacking the source' });
  }
  return failureOf('SourceUnavailable', { detail: `tar exited ${code}: ${complaint}` });
}

/** The exit code, null if it was killed, and the first of what it said. */
function endOf(child: ChildProcess): Promise<{ code: number | null; complaint: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<{
    code: number | null;
    complaint: string;
  }>();
  let complaint = '';
  child.stderr?.on('data', (bytes: Buffer) => {
    if (complaint.length < 4096) complaint += bytes.toString();
  });
  child.once('error', reject);
  child.once('close', (code) => resolve({ code, complaint }));
  return promise;
}
