/** `node scripts/docs/main.ts` writes the generated pages; with `--check` it writes nothing, and fails where one differs. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makePages } from './pages.ts';
import { readHelp } from './read-help.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const check = process.argv.includes('--check');

for (const { path, text } of await makePages(root, await readHelp(root))) {
  const file = join(root, path);
  const before = await readFile(file, 'utf8').catch(() => undefined);
  if (before === text) continue;
  if (check) {
    console.error(`${path} is not what the code says; run: npm run docs`);
    process.exitCode = 1;
  } else {
    await writeFile(file, text);
    console.log(`wrote ${path}`);
  }
}
