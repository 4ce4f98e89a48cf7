const deadlineMs = 30_000;
const intervalMs = 20;

/** Looks until the condition holds; a condition that never does is an error that names it. */
export async function eventually(
  name: string,
  condition: () => boolean | Promise<boolean>,
): Promise<void> {
  const startedAt = Date.now();
  while (!(await condition())) {
    if (Date.now() - startedAt > deadlineMs) throw new Error(`never: ${name}`);
    const { promise, resolve } = Promise.withResolvers<void>();
    setTimeout(resolve, intervalMs);
    await promise;
  }
}
