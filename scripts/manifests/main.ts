// Writes the plain manifests of `deploy/`: `npm run manifests`. Needs Go the first time, which builds helm.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { templateChart } from '../../test/cluster/helm.ts';
import { renderManifests } from './render.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
for (const { path, text } of await renderManifests(root, templateChart)) {
  await writeFile(join(root, path), text);
  console.log(`wrote ${path}`);
}
