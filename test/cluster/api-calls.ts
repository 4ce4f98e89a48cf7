/** What the worker asked of the API server, by the server's own audit log. */
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import type { Cluster } from './start-cluster.ts';

export interface ApiCall {
  readonly verb: string;
  /** Such as `jobs` or `pods/log`. */
  readonly resource: string;
  /** Empty for a list or a watch. */
  readonly name: string;
  /** When the answer was sent; of a watch or a log, when it began. */
  readonly answeredAt: Date;
}

const Line = z.object({
  auditID: z.string(),
  verb: z.string(),
  stageTimestamp: z.string(),
  /** None where kubectl asks what there is to ask for. */
  objectRef: z
    .object({
      resource: z.string(),
      subresource: z.string().optional(),
      name: z.string().default(''),
    })
    .optional(),
});

/** Those of the service account of builds in the namespace, in the order of their answers, from then on. */
export async function workersCalls(
  { namespace, since }: { namespace: string; since: Date },
  { auditLog }: Cluster,
): Promise<ApiCall[]> {
  const user = `"username":"system:serviceaccount:${namespace}:hephy-worker"`;
  const lines = (await readFile(auditLog, 'utf8')).split('\n');
  const calls = new Map<string, ApiCall>();
  for (const line of lines) {
    if (!line.includes(user)) continue;
    const { auditID, verb, stageTimestamp, objectRef } = Line.parse(JSON.parse(line));
    const answeredAt = new Date(stageTimestamp);
    // What takes long is there twice: begun and ended.
    if (!objectRef || answeredAt < since || calls.has(auditID)) continue;
    const { resource, subresource, name } = objectRef;
    const what = [resource, subresource].filter(Boolean).join('/');
    calls.set(auditID, { verb, resource: what, name, answeredAt });
  }
  return [...calls.values()];
}
