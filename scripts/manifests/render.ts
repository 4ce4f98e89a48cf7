/** The plain manifests of `deploy/`, as the chart makes them. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { format, resolveConfig } from 'prettier';
import { parse } from 'yaml';
import type { templateChart } from '../../test/cluster/helm.ts';

export interface Manifests {
  /** From the top of the repository. */
  readonly path: string;
  readonly text: string;
}

/** The whole service with `values.yaml` beside this file; and what a worker outside the cluster needs in it. */
export async function renderManifests(
  root: string,
  template: typeof templateChart,
): Promise<readonly Manifests[]> {
  const values = parse(await readFile(join(import.meta.dirname, 'values.yaml'), 'utf8')) as object;
  const service = documentsOf(await template({ values, namespace: 'hephy' }));
  const builds = documentsOf(await template({ values, namespace: 'hephy-builds' }));
  return Promise.all([
    file(root, 'deploy/hephy.yaml', [wholeService, namespace, ...textsOf(service)]),
    file(root, 'deploy/builds.yaml', [
      '# Where builds run, for a worker outside the cluster.',
      ...textsOf(builds.filter(isOfBuilds)),
    ]),
  ]);
}

/** With the Secrets that `values.yaml` names. */
const wholeService = `# The whole service, but for its Secrets in the namespace hephy: hephy-database and hephy-redis with the key url,
# hephy-registry with username and password, hephy-operator with token, which is hephy_ and 43 characters.
# "Without Helm" in docs/kubernetes.md makes them.`;

const namespace = `apiVersion: v1
kind: Namespace
metadata:
  name: hephy
  labels:
    pod-security.kubernetes.io/enforce: restricted`;

interface Document {
  /** The chart's template, such as `builds/rights.yaml`. */
  readonly source: string;
  /** Without what only Helm reads. */
  readonly text: string;
}

function documentsOf(rendered: string): readonly Document[] {
  const helms =
    /^# Source: .*\n|^ +(?:helm\.sh\/chart|app\.kubernetes\.io\/managed-by: Helm).*\n/gm;
  return rendered.split(/^---\n/m).flatMap((text) => {
    const [, source] = /^# Source: hephy-builder\/templates\/(\S+)/m.exec(text) ?? [];
    return source === undefined ? [] : [{ source, text: text.replace(helms, '').trim() }];
  });
}

function isOfBuilds({ source, text }: Document): boolean {
  return (
    source.startsWith('builds/') || /^kind: ServiceAccount\n[^]* name: hephy-worker$/m.test(text)
  );
}

const textsOf = (documents: readonly Document[]): readonly string[] =>
  documents.map(({ text }) => text);

async function file(
  root: string,
  path: string,
  [title = '', ...documents]: readonly string[],
): Promise<Manifests> {
  const filepath = join(root, path);
  const origin = '# Made by `npm run manifests` from charts/hephy-builder; edit that instead.';
  const text = [`${title}\n${origin}`, ...documents].join('\n---\n');
  return { path, text: await format(text, { ...(await resolveConfig(filepath)), filepath }) };
}
