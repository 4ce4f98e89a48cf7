import type { ServerResponse } from 'node:http';
import type { ActiveReceive } from './active-receives.ts';
import { parseCommands, readText } from './hook-request.ts';
import type { HookExchange } from './hook-request.ts';
import type { HookHandlers, RefAnswer } from './hook-handlers.ts';
import type { GitLog } from './log.ts';
import { encodePktLine, flushPkt } from './pkt-line.ts';
import type { ReceiveCommand } from './receive-commands.ts';
import { oneLineReason } from './report-status.ts';

const outputDeadlineMs = 20_000;

/**
 * The proc-receive hook's two requests, joined by the push they belong to. The hook speaks git's
 * protocol up to the commands; our answer to them is in that protocol: for each `ok <ref>`, with
 * `option old-oid <sha>` where the ref was elsewhere, or `ng <ref> <reason>`; and a flush.
 * Source: githooks(5), "proc-receive".
 */
export function createProcReceive<Context>({
  handlers,
  log,
}: {
  handlers: HookHandlers<Context>;
  log: GitLog;
}) {
  const outputs = new WeakMap<ActiveReceive<Context>, PromiseWithResolvers<ServerResponse>>();
  const outputOf = (receive: ActiveReceive<Context>): PromiseWithResolvers<ServerResponse> => {
    const output = outputs.get(receive) ?? Promise.withResolvers<ServerResponse>();
    outputs.set(receive, output);
    return output;
  };

  return {
    connectOutput(receive: ActiveReceive<Context>, response: ServerResponse): void {
      response.writeHead(200, { 'content-type': 'text/plain; charset=utf-8' });
      response.flushHeaders();
      outputOf(receive).resolve(response);
    },

    async answer({ receive, request, response }: HookExchange<Context>): Promise<void> {
      const commands = parseCommands(await readText(request));
      response.writeHead(200, { 'content-type': 'application/octet-stream' });
      response.flushHeaders();
      const output = await withDeadline(outputOf(receive).promise);
      const gone = new AbortController();
      response.once('close', () => gone.abort(new Error('the hook was cut off')));
      try {
        const answers = await handlers.procReceive({
          appId: receive.appId,
          context: receive.context,
          commands,
          pushOptions: receive.pushOptions,
          write: (line) => writeLine(output, line),
          signal: AbortSignal.any([receive.signal, gone.signal]),
        });
        if (answers.some((one) => !one.ok && one.later)) receive.leaveOpen();
        output.end();
        response.end(report(commands, answers));
      } catch (error) {
        if (!receive.signal.aborted) log.error({ err: error }, 'a push to a deploy branch failed');
        // How far it came is not known.
        receive.leaveOpen();
        output.end();
        response.end(report(commands, []));
      }
    },
  };
}

async function writeLine(output: ServerResponse, line: string): Promise<void> {
  if (output.destroyed || output.writableEnded || output.write(`${line}\n`)) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  output.once('drain', resolve);
  output.once('close', resolve);
  await promise;
  output.off('drain', resolve);
  output.off('close', resolve);
}

function report(commands: readonly ReceiveCommand[], answers: readonly RefAnswer[]): Buffer {
  const lines = commands.flatMap(({ ref }) => {
    const answer = answers.find((candidate) => candidate.ref === ref);
    if (answer?.ok === true) {
      return [`ok ${ref}`, ...(answer.oldSha ? [`option old-oid ${answer.oldSha}`] : [])];
    }
    const reason = answer?.reason ?? 'the build service failed; push again later';
    return `ng ${ref} ${oneLineReason(reason)}`;
  });
  return Buffer.concat([...lines.map((line) => encodePktLine(line)), flushPkt]);
}

async function withDeadline<Value>(value: Promise<Value>): Promise<Value> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => reject(new Error('the proc-receive hook did not fetch its output')),
    outputDeadlineMs,
  );
  return Promise.race([value, promise]).finally(() => clearTimeout(timer));
}
