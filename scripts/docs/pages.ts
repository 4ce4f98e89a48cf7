import { format, resolveConfig } from 'prettier';
import { chartSchema, chartSchemaPath } from './chart-schema.ts';
import { commandLinePage } from './command-line-page.ts';
import { configurationPage } from './configuration-page.ts';
import { makeOpenApi } from './openapi.ts';
import type { CommandHelp } from './read-help.ts';
import { reasonsPage } from './reasons-page.ts';

export interface Page {
  /** From the top of the repository. */
  readonly path: string;
  readonly text: string;
}

/** Every page that is made from the code, formatted as the rest of the repository is. */
export async function makePages(root: string, commands: readonly CommandHelp[]): Promise<Page[]> {
  const texts = {
    'docs/reasons.md': reasonsPage(),
    'docs/configuration.md': configurationPage(),
    'docs/cli.md': commandLinePage(commands),
    'docs/openapi.json': JSON.stringify(await makeOpenApi()),
    [chartSchemaPath]: await chartSchema(root),
  };
  return Promise.all(
    Object.entries(texts).map(async ([path, text]) => {
      const filepath = `${root}/${path}`;
      const options = await resolveConfig(filepath);
      return { path, text: await format(text, { ...options, filepath }) };
    }),
  );
}
