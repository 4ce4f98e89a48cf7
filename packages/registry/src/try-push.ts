import { repositoryProblem } from '@hephy/oci';
import { locationOf } from './exchange.ts';
import { RegistryFailure } from './failure.ts';
import type { CallOptions, Session } from './session.ts';
import { call, pushScope, repositoryUrl } from './session.ts';

/** Begins an upload and gives it up: resolves where we may push, and leaves nothing. One that the registry lets nobody
 *  give up is forgotten by it in time. Registries that make no repository by themselves say that there is none:
 *  `PushDenied`, too. Source: OCI distribution-spec v1.1, "Pushing blobs" and "Cancelling". */
export async function tryPush(
  repository: string,
  session: Session,
  { signal }: CallOptions,
): Promise<void> {
  const problem = repositoryProblem(repository);
  if (problem) throw new TypeError(problem);
  const scopes = [pushScope(repository)];
  const url = repositoryUrl(session.registry, repository, 'blobs/uploads/');
  const headers = { 'content-length': '0' };
  const begin = { method: 'POST', url, headers, scopes, expect: [202], signal } as const;
  const upload = await call(begin, session, async (answer) => {
    await answer.drain();
    return locationOf(answer, session.registry);
  }).catch(notFoundIsDenied);
  if (!upload) return;
  const giveUp = {
    method: 'DELETE',
    url: upload,
    scopes,
    expect: [200, 202, 204],
    signal,
  } as const;
  try {
    await call(giveUp, session, (answer) => answer.drain());
  } catch (error) {
    if (!(error instanceof RegistryFailure)) throw error;
  }
}

function notFoundIsDenied(error: unknown): never {
  if (!(error instanceof RegistryFailure) || error.reason !== 'NotFound') throw error;
  const { message, temporary, method, url, status, codes } = error;
  const facts = { temporary, method, url, codes, ...(status !== undefined && { status }) };
  throw new RegistryFailure(message, { ...facts, reason: 'PushDenied' }, { cause: error });
}
