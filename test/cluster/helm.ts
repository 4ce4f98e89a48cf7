/** helm, kubectl and hephy as an operator has them on PATH, for the chart of this checkout. */
import { delimiter, dirname, join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { z } from 'zod';
import { run, type RunOptions } from './run.ts';
import type { Cluster } from './start-cluster.ts';
import { buildTool, kubernetesVersion, type Tool } from './tools.ts';

const root = join(import.meta.dirname, '../..');
export const chart = join(root, 'charts/hephy-builder');

/** What tests read of an object that a chart makes. */
export const KubeObject = z.looseObject({
  apiVersion: z.string(),
  kind: z.string(),
  metadata: z.looseObject({ name: z.string(), namespace: z.string().optional() }),
});
export type KubeObject = z.infer<typeof KubeObject>;

export interface ChartOptions {
  readonly values: object;
  readonly namespace?: string;
}

/** Throws what helm says where it refuses the values. */
export async function lintChart({ values }: ChartOptions): Promise<string> {
  const lint = [await buildTool('helm'), 'lint', chart, '--strict', '--values=-'];
  return run(lint, { input: JSON.stringify(values) });
}

/** The manifests as helm prints them. */
export async function templateChart({ values, namespace }: ChartOptions): Promise<string> {
  const release = ['hephy', chart, `--namespace=${namespace ?? 'hephy'}`];
  const version = `--kube-version=${kubernetesVersion}`;
  const template = [await buildTool('helm'), 'template', ...release, version, '--values=-'];
  return run(template, { input: JSON.stringify(values) });
}

export function objectsIn(manifests: string): KubeObject[] {
  return parseAllDocuments(manifests)
    .map((document) => document.toJS() as unknown)
    .filter((value) => value !== null)
    .map((value) => KubeObject.parse(value));
}

/** A shell's environment in which the tools are this cluster's, beside `hephy`. */
export async function operatorEnvironment(
  { kubeconfig }: Cluster,
  { home, tools }: { readonly home: string; readonly tools: readonly Tool[] },
): Promise<Record<string, string>> {
  const programs = await Promise.all(tools.map((tool) => buildTool(tool)));
  const folders = [join(root, 'bin/hephy'), ...programs].map((program) => dirname(program));
  return {
    PATH: [...folders, process.env['PATH'] ?? '/usr/bin:/bin'].join(delimiter),
    KUBECONFIG: kubeconfig,
    HOME: home,
    XDG_CONFIG_HOME: join(home, 'config'),
    XDG_CACHE_HOME: join(home, 'cache'),
    HELM_DATA_HOME: join(home, 'helm'),
  };
}

/** Runs lines of a shell as a document has them, one after the other until one fails. */
export function runLines(lines: string, options: RunOptions): Promise<string> {
  return run(['bash', '-euo', 'pipefail', '-c', lines], { timeoutMs: 10 * 60_000, ...options });
}
