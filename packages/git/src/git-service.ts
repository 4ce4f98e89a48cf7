import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Transform } from 'node:stream';
import { callbackify } from 'node:util';
import { boundedText } from './git-process.ts';
import type { GitEnvironment } from './git-process.ts';
import type { GitLog } from './log.ts';
import { serveWithNodeGitServer } from './node-git-server.ts';

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
  endAfterAbortMs: number;
  log: GitLog;
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
    run.request.resume();
  });
  run.response.once('close', () => {
    if (run.response.writableFinished) return;
    run.onClientGone();
    output.unpipe(answer);
    output.resume();
    child.stdin.destroy();
    const timer = setTimeout(() => child.kill('SIGKILL'), run.endAfterAbortMs);
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

/** git's answer, completed by ours when git fails; it ends after git has ended. */
function answerOf(exited: Promise<GitExit>, run: GitServiceRun): Transform {
  let answered = false;
  const completion = async (): Promise<Buffer | undefined> => {
    const { exitCode } = await exited;
    if (exitCode === 0) return undefined;
    return answered ? run.brokenOff() : run.silentFailure();
  };
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      answered = true;
      done(null, chunk);
    },
    flush: callbackify(completion),
  });
}
