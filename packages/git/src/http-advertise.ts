import { runGit } from './git-process.ts';
import { sendText, setGitHeaders } from './http-responses.ts';
import type { Admitted, GitExchange } from './http-exchange.ts';
import { encodePktLine, flushPkt } from './pkt-line.ts';

const maxAdvertisementBytes = 32 * 1024 * 1024;

/**
 * Answers `info/refs`: what the repository has. We run git for it ourselves, because node-git-server
 * starts the answer before git has said whether it can read the repository at all.
 */
export async function advertise<Context>(
  exchange: GitExchange<Context>,
  authorization: Admitted<Context> | { ok: false; error: string },
): Promise<void> {
  const { response, route, repositories, log } = exchange;
  const service = `${route.operation}-pack`;
  const head = Buffer.concat([encodePktLine(`# service=git-${service}\n`), flushPkt]);
  const contentType = `application/x-git-${service}-advertisement`;
  if (!authorization.ok) {
    setGitHeaders(response, contentType);
    response.end(Buffer.concat([head, encodePktLine(`ERR ${authorization.error}`)]));
    return;
  }
  const path = await repositories.ensure(authorization.appId, authorization);
  const refs = await runGit([service, '--stateless-rpc', '--advertise-refs', path], {
    environment: repositories.environment,
    timeoutMs: 60_000,
    maxOutputBytes: maxAdvertisementBytes,
  });
  if (refs.exitCode !== 0) {
    log.error(
      { appId: authorization.appId, stderr: refs.stderr },
      'git could not read a repository',
    );
    const message = 'the repository of this app cannot be read; the log of the service says why';
    return sendText(response, { status: 500, message });
  }
  setGitHeaders(response, contentType);
  response.end(Buffer.concat([head, refs.stdout]));
}
