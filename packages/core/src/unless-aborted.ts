/** The answer, or the signal's reason if it aborts first; then the answer is left behind. */
export async function unlessAborted<T>(answer: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(signal.reason);
  signal.addEventListener('abort', onAbort);
  if (signal.aborted) onAbort();
  return Promise.race([answer, aborted]).finally(() =>
    signal.removeEventListener('abort', onAbort),
  );
}
