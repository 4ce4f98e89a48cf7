/** The registry of `registry/repository:tag`: what stands before the first slash. */
export function registryOf(destination: string): string {
  const [registry, ...repository] = destination.split('/');
  if (!registry || repository.length === 0) {
    throw new Error(`the destination ${destination} names no registry`);
  }
  return registry;
}

const loopback = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d+)?$/;

/** Whether a registry may be spoken to in plain http: it is on this machine, or it is listed. */
export function isPlainRegistry(registry: string, plainRegistries: readonly string[]): boolean {
  return loopback.test(registry) || plainRegistries.includes(registry);
}
