// Turns the TypeScript below folders into JavaScript, in place: `node scripts/image/to-javascript.ts <folder> …`, in the
// Dockerfile. Node could run it as it is, but takes the types out anew at each start: a fifth of a second for each pod.
import { readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { stripTypeScriptTypes } from 'node:module';
import { join } from 'node:path';

/** Every relative path to a module is written with its ending. */
const named = (code: string): string =>
  code.replaceAll(/(['"])(\.\.?\/[^'"\n]+)\.ts\1/g, '$1$2.js$1');

for (const folder of process.argv.slice(2)) {
  for (const path of await readdir(folder, { recursive: true })) {
    const file = join(folder, path);
    if (file.endsWith('.ts')) {
      const code = stripTypeScriptTypes(await readFile(file, 'utf8'));
      await writeFile(file.replace(/ts$/, 'js'), named(code));
      await rm(file);
    } else if (path.endsWith('package.json')) {
      await writeFile(file, named(await readFile(file, 'utf8')));
    }
  }
}
