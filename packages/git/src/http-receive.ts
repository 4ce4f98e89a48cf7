import type { IncomingMessage } from 'node:http';
import type { ActiveReceiveHandle } from './active-receives.ts';
import { runGitService } from './git-service.ts';
import { cutWhenIdle, drain, setGitHeaders } from './http-responses.ts';
import { refuse } from './http-exchange.ts';
import type { Admitted, GitExchange } from './http-exchange.ts';
import { encodePktLine, flushPkt } from './pkt-line.ts';
import { readReceiveRequest } from './read-receive-request.ts';
import type { ReceiveRequest } from './receive-commands.ts';
import { refusalReport } from './report-status.ts';

function busyText({ atOnce }: Admitted<unknown>): string {
  return atOnce === 1
    ? 'Another git push is ongoing'
    : `${atOnce} pushes of this app are under way; push again later`;
}

/** Why a push is refused before git sees it. */
interface Refusal {
  reasonOf: (ref: string) => string;
  lines: readonly string[];
}

/** A push: its commands are read and put to the policy, then git takes the pack. */
export async function serveReceive<Context>(
  exchange: GitExchange<Context>,
  authorization: Admitted<Context> | { ok: false; error: string },
): Promise<void> {
  const { request, response, limits } = exchange;
  const read = await readReceiveRequest(request, { timeoutMs: limits.commandListMs });
  if (read.kind === 'gone') return;
  if (read.kind === 'refused') return refuse(exchange, read);
  setGitHeaders(response, 'application/x-git-receive-pack-result');
  // The probe that git sends before an upload of more than 1 MiB: an empty list has an empty answer.
  if (read.request.commands.length === 0) return answer(exchange, Buffer.alloc(0));
  try {
    await serveCommands(exchange, authorization, read.request);
  } catch (error) {
    exchange.log.error({ err: error }, 'a push could not be served');
    // A plain status would be shown as "RPC failed" followed by "Everything up-to-date".
    const failure = 'the git service failed; its log says why, push again later';
    answer(exchange, refusal(read.request, { reasonOf: () => failure, lines: [] }));
  }
}

async function serveCommands<Context>(
  exchange: GitExchange<Context>,
  authorization: Admitted<Context> | { ok: false; error: string },
  asked: ReceiveRequest,
): Promise<void> {
  if (!authorization.ok) {
    const { error } = authorization;
    return answer(exchange, refusal(asked, { reasonOf: () => error, lines: [error] }));
  }
  const refused = await refusedByPolicy(exchange, authorization, asked);
  if (refused) return answer(exchange, refusal(asked, refused));
  return receive(exchange, authorization, asked);
}

async function receive<Context>(
  exchange: GitExchange<Context>,
  admitted: Admitted<Context>,
  asked: ReceiveRequest,
): Promise<void> {
  const { appId, context } = admitted;
  const repositoryPath = await exchange.repositories.ensure(appId, admitted);
  const { commands, pushOptions } = asked;
  const active = await exchange.receives.begin(
    { appId, repositoryPath, context, commands, pushOptions },
    admitted,
  );
  if (active === undefined) {
    const busy = busyText(admitted);
    return answer(exchange, refusal(asked, { reasonOf: () => busy, lines: [busy] }));
  }
  try {
    await active.exclusively(async () => {
      const added = await exchange.repositories.addShallowRoots(appId, asked.shallow);
      for (const root of added) active.shallow.added.add(root);
    });
    const push = { active, asked, admitted };
    if (exchange.response.destroyed) return await finish(exchange, push, null);
    cutWhenIdle(exchange.request, exchange.limits.uploadIdleMs);
    runReceivePack(exchange, push);
  } catch (error) {
    active.end();
    throw error;
  }
}

/** A push that git works on. */
interface RunningPush<Context> {
  active: ActiveReceiveHandle<Context>;
  asked: ReceiveRequest;
  admitted: Admitted<Context>;
}

function runReceivePack<Context>(exchange: GitExchange<Context>, push: RunningPush<Context>): void {
  const { request, response, repositories, limits, log } = exchange;
  const { active, asked, admitted } = push;
  const isTooLarge = watchPack(request, push);
  const failure = 'the git service could not take this push; push again';
  runGitService({
    service: 'receive-pack',
    repositoryPath: active.repositoryPath,
    environment: { ...repositories.environment, HEPHY_RECEIVE_ID: active.id },
    request,
    response,
    limits,
    log,
    overruled: () =>
      isTooLarge() ? refusal(asked, { reasonOf: () => admitted.tooLarge, lines: [] }) : undefined,
    silentFailure: () => refusal(asked, { reasonOf: () => failure, lines: [failure] }),
    brokenOff: () =>
      asked.capabilities.includes('side-band-64k') ? encodePktLine(`\u0003${failure}\n`) : flushPkt,
    onClientGone: () => active.abort(new Error('the client left')),
    onExit: ({ exitCode, stderr }) => {
      if (exitCode !== 0) {
        log.warn({ appId: active.appId, exitCode, stderr }, 'git receive-pack failed');
        // Hooks of a git that died must not go on.
        active.abort(new Error('git ended early'));
      }
      return finish(exchange, push, exitCode);
    },
  });
}

/** Whether more than the limit has come: git then refuses the push, in words that name neither limit nor remedy. */
function watchPack<Context>(
  request: IncomingMessage,
  { asked, admitted }: RunningPush<Context>,
): () => boolean {
  let packBytes = asked.shallowBytes - asked.bytes;
  request.on('data', (chunk: Buffer) => (packBytes += chunk.length));
  return () => packBytes > admitted.maxInputBytes;
}

/** Tidies up after git and makes room in the repository for the next push. */
async function finish<Context>(
  { repositories, log }: GitExchange<Context>,
  { active }: RunningPush<Context>,
  exitCode: number | null,
): Promise<void> {
  try {
    await active.exclusively(async () => {
      // A build may still succeed, and its ref then needs the roots; unused ones go with `git prune`.
      active.shallow.stay ||= active.isOpen();
      // The last one tidies up: the roots are shared, and nobody can tell whose the temporary objects are.
      if (!active.isAlone()) return;
      const { added, stay } = active.shallow;
      if (!stay) await repositories.settleShallowRoots(active.appId, [...added]);
      // A git that a signal ended has not removed its temporary objects.
      if (exitCode === null) await repositories.removeStaleQuarantine(active.appId, 0);
    });
  } catch (error) {
    log.error({ err: error, appId: active.appId }, 'a push was not tidied up after');
  } finally {
    active.end();
  }
}

async function refusedByPolicy<Context>(
  exchange: GitExchange<Context>,
  { appId, context }: Admitted<Context>,
  { commands, pushOptions }: ReceiveRequest,
): Promise<Refusal | undefined> {
  const outside = commands.filter(({ ref }) => !/^refs\/(heads|tags)\//.test(ref));
  const together = 'another ref of this push was refused';
  if (outside.length > 0) {
    const reason = 'only branches and tags can be pushed';
    const refs = new Set(outside.map(({ ref }) => ref));
    return { reasonOf: (ref) => (refs.has(ref) ? reason : together), lines: [] };
  }
  const refused = await exchange.policy.checkCommands({ appId, context, commands, pushOptions });
  if (refused === undefined) return undefined;
  return { reasonOf: (ref) => refused.reasons.get(ref) ?? together, lines: refused.lines };
}

function refusal(asked: ReceiveRequest, { reasonOf, lines }: Refusal): Buffer {
  const refusals = asked.commands.map(({ ref }) => ({ ref, reason: reasonOf(ref) }));
  return refusalReport({ capabilities: asked.capabilities, lines, refusals });
}

/** The answer goes out at once; the connection stays until the client has sent what it wanted to send. */
function answer<Context>(exchange: GitExchange<Context>, bytes: Buffer): void {
  const { request, response, limits } = exchange;
  drain(request, { maxBytes: limits.drainBytes, idleMs: limits.uploadIdleMs });
  response.end(bytes);
}
