import { homedir } from 'node:os';
import { join } from 'node:path';

/** Where what is expensive to make or to fetch is kept between runs. Source: XDG Base Directory Specification. */
export function defaultCacheDir(environment: Readonly<Record<string, string | undefined>>): string {
  return join(environment['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'hephy-builder');
}
