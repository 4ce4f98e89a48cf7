/** A worker of its own for the tests: starts the builder of the spec file and prints its log's chunks as JSON lines. */
import { readFile } from 'node:fs/promises';
import type { BuilderSpec } from './driver.ts';
import { createLocalDriver } from './local-driver.ts';
import { bashDriverOptions } from './local-driver-parts.ts';

const [folder = '', specFile = ''] = process.argv.slice(2);
const spec = JSON.parse(await readFile(specFile, 'utf8')) as BuilderSpec;
const driver = createLocalDriver(bashDriverOptions(folder));
await driver.startOrAdopt(spec);
const { signal } = new AbortController();
for await (const chunk of driver.followLog(spec.name, { fromOffset: 0, signal })) {
  process.stdout.write(`${JSON.stringify(chunk)}\n`);
}
