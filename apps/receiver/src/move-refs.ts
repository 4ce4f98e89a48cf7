import type { Repositories } from '@hephy/git';

export interface UnmovedRef {
  readonly buildId: string;
  readonly appId: string;
  readonly ref: string;
  readonly oldSha: string;
  readonly newSha: string;
}

export interface MoveRefDeps {
  readonly repositories: Pick<Repositories, 'updateRef' | 'contains'>;
  readonly markRefMoved: (buildId: string, at: Date) => Promise<void>;
  readonly now: () => Date;
}

/**
 * Moves the ref of a succeeded build, and records it. Safe twice: a ref that is there already counts as moved, and so does
 * one that a later push has taken further.
 */
export async function moveRef(
  { buildId, appId, ref, newSha, oldSha }: UnmovedRef,
  { repositories, markRefMoved, now }: MoveRefDeps,
): Promise<{ ok: true } | { ok: false; reason: string }> {
  const moved = await repositories.updateRef(appId, { ref, newSha, oldSha });
  // A ref that somebody else has moved in the meantime stays where it is; asking again would not change that.
  await markRefMoved(buildId, now());
  if (moved.ok) return { ok: true };
  const { currentSha: newer, message } = moved.failure;
  const isFurther = newer && (await repositories.contains(appId, { newer, older: newSha }));
  return isFurther ? { ok: true } : { ok: false, reason: `released, but ${message}` };
}

/** Catches up on refs, of all apps or of one, whose push ended too early: a killed receiver, a client that left too late. */
export async function moveRefs(
  deps: MoveRefDeps & {
    readonly listUnmovedRefs: (appId?: string) => Promise<readonly UnmovedRef[]>;
    readonly onError: (error: unknown) => void;
  },
  appId?: string,
): Promise<void> {
  for (const unmoved of await deps.listUnmovedRefs(appId)) {
    const what = `${unmoved.ref} of build ${unmoved.buildId}`;
    try {
      const moved = await moveRef(unmoved, deps);
      if (!moved.ok) deps.onError(new Error(`${what}: ${moved.reason}`));
    } catch (cause) {
      // One app's trouble must not keep the others' refs where they are; it is tried again in the next round.
      deps.onError(new Error(`${what} could not be moved`, { cause }));
    }
  }
}
