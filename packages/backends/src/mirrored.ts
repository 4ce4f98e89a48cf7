import type { Mirror } from './registries-conf.ts';

/** Where `registry/repository` is pulled from, of several mirrors from the one whose prefix is the longest. */
export function mirrored(name: string, mirrors: readonly Mirror[]): string {
  const [nearest] = mirrors
    .filter(({ from }) => name === from || name.startsWith(`${from}/`))
    .toSorted((a, b) => b.from.length - a.from.length);
  return nearest ? nearest.to + name.slice(nearest.from.length) : name;
}
