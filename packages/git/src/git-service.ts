import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Transform } from 'node:stream';
import { callbackify } from 'node:util';
import { boundedText } from './git-process.ts';
import type { GitEnvironment } from './git-process.ts';
import { drain } from './http-responses.ts';
import type { GitHttpLimits } from './http-policy.ts';
import type { GitLog } from './log.ts';
import { serveWithNodeGitServer } from './node-git-server.ts';
import { createPktLineReader, encodePktLine, flushPkt } from './pkt-line.ts';

const maxStderrBytes = 16 * 1024;

export interface GitExit {
  /** `null`: a signal ended it, or it could not be started. */
  exitCode: number | null;
  stderr: string;
}

export interface GitServiceRun {
  service: 'receive-pack' | 'upload-pack';
  repositoryPath: string;
  environment: GitEnvironment;
  request: IncomingMessage;
  response: ServerResponse;
  limits: Pick<GitHttpLimits, 'endAfterAbortMs' | 'drainBytes' | 'uploadIdleMs'>;
  log: GitLog;
  /** The whole answer in place of git's, as soon as it is known. Only for git that answers in packet lines. */
  overruled?: () => Buffer | undefined;
  /** The whole answer when git fails without a word. */
  silentFailure: () => Buffer;
  /** The end of an answer that git began and broke off. */
  brokenOff: () => Buffer;
  onClientGone(): void;
  /** git has ended; the client sees the end of the answer after this. Never rejects. */
  onExit(exit: GitExit): Promise<void>;
}

/**
 * One git child behind one request. It always ends: with its answer, with ours when it fails, or cut
 * off when its client leaves: end of input first, so that git itself removes what it has received
 * (a signal would leave it behind), and SIGKILL when it does not end by that.
 */
export function runGitService(run: GitServiceRun): void {
  const { service, repositoryPath, request, response } = run;
  serveWithNodeGitServer(
    {
      service,
      repositoryPath,
      request,
      response,
      onError: (error) => run.log.warn({ err: error, service }, 'a git request broke off'),
    },
    { environment: run.environment, adopt: (child) => adopt(child, run) },
  );
}

function adopt(child: ChildProcessWithoutNullStreams, run: GitServiceRun): Transform {
  const exited = watchExit(child, run);
  const answer = answerOf(exited, run);
  // The child's own: node-git-server is given `answer` under this name.
  const output = child.stdout;
  output.pipe(answer);
  // git stopped reading (the pack is too large, say): what the client still sends goes nowhere.
  child.stdin.on('error', () => {
    run.request.unpipe();
    drain(run.request, { maxBytes: run.limits.drainBytes, idleMs: run.limits.uploadIdleMs });
  });
  run.response.once('close', () => {
    if (run.response.writableFinished) return;
    run.onClientGone();
    output.unpipe(answer);
    output.resume();
    child.stdin.destroy();
    const timer = setTimeout(() => child.kill('SIGKILL'), run.limits.endAfterAbortMs);
    child.once('close', () => clearTimeout(timer));
  });
  return answer;
}

function watchExit(child: ChildProcessWithoutNullStreams, run: GitServiceRun): Promise<GitExit> {
  const stderr = boundedText(child.stderr, maxStderrBytes);
  const exited = Promise.withResolvers<GitExit>();
  let isOver = false;
  const finish = (exitCode: number | null): void => {
    if (isOver) return;
    isOver = true;
    const exit = { exitCode, stderr: stderr() };
    exited.resolve(run.onExit(exit).then(() => exit));
  };
  child.once('close', finish);
  child.on('error', (error) => {
    run.log.error({ err: error, service: run.service }, 'git could not be started');
    if (child.pid === undefined) finish(null);
  });
  return exited.promise;
}

/** git's answer, completed by ours when git fails or is overruled; it ends after git has ended. */
function answerOf(exited: Promise<GitExit>, run: GitServiceRun): Transform {
  let answered = false;
  let instead: Buffer | undefined;
  const completion = async (): Promise<Buffer | undefined> => {
    const { exitCode } = await exited;
    if (instead !== undefined || exitCode === 0) return instead;
    return answered ? run.brokenOff() : run.silentFailure();
  };
  const pass = run.overruled ? passPackets(run.overruled, (answer) => (instead = answer)) : asItIs;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      answered = true;
      done(null, pass(chunk));
    },
    flush: callbackify(completion),
  });
}

const asItIs = (chunk: Buffer): Buffer => chunk;
const nothing: Buffer = Buffer.alloc(0);

/** Lets whole packets through until git ends its answer by a flush, or is overruled: ours then begins where a packet may. */
function passPackets(
  overruled: () => Buffer | undefined,
  onOverruled: (answer: Buffer) => void,
): (chunk: Buffer) => Buffer {
  const reader = createPktLineReader();
  let isOver = false;
  return (chunk) => {
    if (isOver) return nothing;
    const answer = overruled();
    if (answer !== undefined) {
      isOver = true;
      onOverruled(answer);
      return nothing;
    }
    reader.push(chunk);
    const packets: Buffer[] = [];
    for (let step = reader.next(); step.kind === 'packet'; step = reader.next()) {
      const { packet } = step;
      isOver = packet.kind === 'flush';
      packets.push(packet.kind === 'flush' ? flushPkt : encodePktLine(packet.bytes));
    }
    return Buffer.concat(packets);
  };
}
