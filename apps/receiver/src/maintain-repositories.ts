import type { Repositories } from '@hephy/git';

const hourMs = 3600_000;

/** Older than any push can last: what is left in quarantine by then belongs to nobody. */
const staleQuarantineMs = 6 * hourMs;
/** Objects of failed builds; a push of the same commit within this time need not send them again. */
const unreachableMs = 7 * 24 * hourMs;

/** Removes what interrupted pushes and failed builds left in the repositories. One app's trouble does not stop the others'. */
export async function maintainRepositories({
  repositories,
  listAppIds,
  onError,
}: {
  repositories: Pick<Repositories, 'removeStaleQuarantine' | 'prune'>;
  listAppIds: () => Promise<readonly string[]>;
  onError: (error: unknown) => void;
}): Promise<void> {
  for (const appId of await listAppIds()) {
    try {
      await repositories.removeStaleQuarantine(appId, staleQuarantineMs);
      await repositories.prune(appId, unreachableMs);
    } catch (error) {
      onError(error);
    }
  }
}
