import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { environmentTable } from '@hephy/runtime';

export const chartSchemaPath = 'charts/hephy-builder/values.schema.json';

/** What the chart itself decides, mostly by another of its values. */
const setByChart: ReadonlySet<string> = new Set([
  'HEPHY_DATA',
  'HEPHY_REGISTRY',
  'HEPHY_REGISTRY_PLAIN_HTTP',
  'HEPHY_REGISTRY_USERNAME',
  'HEPHY_REGISTRY_CREDENTIAL_HELPER',
  'HEPHY_BUILDER_USERNAME',
  'HEPHY_BUILDER_SERVICE_ACCOUNT',
  'HEPHY_IMAGE_PULL_SECRETS',
  'HEPHY_CERTIFICATES',
  'HEPHY_CACHE_CLAIM',
  'HEPHY_S3_BUCKET',
  'HEPHY_S3_PREFIX',
  'HEPHY_S3_REGION',
  'HEPHY_S3_ENDPOINT',
  'HEPHY_S3_ACCESS_KEY_ID',
  'HEPHY_DRIVER',
  'HEPHY_NAMESPACE',
  'HEPHY_IMAGE',
  'HEPHY_KANIKO_IMAGE',
  'HEPHY_KANIKO_VERSION',
  'HEPHY_LISTEN_GIT',
  'HEPHY_LISTEN_API',
  'HEPHY_LISTEN_SOURCES',
  'HEPHY_LISTEN_HEALTH',
  'HEPHY_PUBLIC_GIT_URL',
  'HEPHY_PUBLIC_API_URL',
  'HEPHY_PUBLIC_SOURCES_URL',
]);

/** Of a service outside a cluster, or of the command line. */
export const notInCluster: ReadonlySet<string> = new Set([
  'HEPHY_KUBECONFIG',
  'HEPHY_LISTEN_REGISTRY',
  'HEPHY_CONFIG',
]);

/** The schema of the chart's values, whose `settings` are the variables that no other value is for. */
export async function chartSchema(root: string): Promise<string> {
  const schema = JSON.parse(await readFile(join(root, chartSchemaPath), 'utf8')) as {
    properties: Record<string, unknown>;
  };
  const settings = environmentTable.filter(
    ({ name, secret }) => !secret && !setByChart.has(name) && !notInCluster.has(name),
  );
  const properties = settings.map(({ name, about, expects }) => [
    name,
    { type: ['string', 'integer', 'boolean'], description: `${about} Expects ${expects}.` },
  ]);
  schema.properties['settings'] = {
    type: 'object',
    additionalProperties: false,
    properties: Object.fromEntries(properties) as unknown,
  };
  return JSON.stringify(schema);
}
