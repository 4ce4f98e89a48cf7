/** Run once by the set-up: makes what the first `hephy up` would otherwise wait for. */
import { preparePglite } from '@hephy/store';
import { defaultCacheDir } from './cache-directory.ts';

await preparePglite(defaultCacheDir(process.env));
