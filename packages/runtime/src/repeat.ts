/**
 * Calls back every `everyMs`, as often as it can: a callback that is still at work when its time comes is not called
 * again until the next. Keeps no process alive. Answers how to end it; what is at work is not waited for.
 */
export function repeat(
  everyMs: number,
  callback: () => unknown,
  onError: (error: unknown) => void = rethrow,
): () => void {
  let atWork = false;
  const timer = setInterval(() => {
    if (atWork) return;
    atWork = true;
    void (async () => callback())()
      .catch(onError)
      .finally(() => {
        atWork = false;
      });
  }, everyMs);
  timer.unref();
  return () => clearInterval(timer);
}

function rethrow(error: unknown): never {
  throw error;
}
