/** What a service account asked of the cluster, by the API server's own audit log, and what it may ask by its roles. */
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import type { Cluster } from './start-cluster.ts';

const Line = z.object({
  user: z.object({ username: z.string().default('') }),
  verb: z.string(),
  requestReceivedTimestamp: z.string(),
  objectRef: z
    .object({
      apiGroup: z.string().default(''),
      resource: z.string(),
      subresource: z.string().optional(),
    })
    .optional(),
  requestURI: z.string(),
  responseStatus: z.object({ code: z.number() }).optional(),
});

export interface Asked {
  readonly account: string;
  /** `group/resource verb`, such as `batch/jobs create`; the path where it is no resource. */
  readonly right: string;
  readonly status: number | undefined;
}

/** All that accounts of the namespace asked since then. */
export async function askedBy(
  { namespace, since }: { namespace: string; since: Date },
  { auditLog }: Cluster,
): Promise<readonly Asked[]> {
  const prefix = `system:serviceaccount:${namespace}:`;
  const lines = (await readFile(auditLog, 'utf8')).trim().split('\n');
  return lines
    .filter((line) => line.includes(prefix))
    .map((line) => Line.parse(JSON.parse(line)))
    .filter(({ user }) => user.username.startsWith(prefix))
    .filter(({ requestReceivedTimestamp }) => new Date(requestReceivedTimestamp) >= since)
    .map(({ user, verb, objectRef, requestURI, responseStatus }) => ({
      account: user.username.slice(prefix.length),
      right: objectRef ? rightOf(objectRef, verb) : `${requestURI} ${verb}`,
      status: responseStatus?.code,
    }));
}

function rightOf(
  { apiGroup, resource, subresource }: z.infer<typeof Line>['objectRef'] & object,
  verb: string,
): string {
  return `${apiGroup}/${[resource, subresource].filter(Boolean).join('/')} ${verb}`;
}

const Rules = z.object({
  rules: z.array(
    z.object({
      apiGroups: z.array(z.string()),
      resources: z.array(z.string()),
      verbs: z.array(z.string()),
    }),
  ),
});

/** What the role at the API's path grants. */
export async function grantedBy(path: string, { api }: Cluster): Promise<readonly string[]> {
  const { rules } = Rules.parse(await api.get(path));
  return rules.flatMap(({ apiGroups, resources, verbs }) =>
    apiGroups.flatMap((group) =>
      resources.flatMap((resource) => verbs.map((verb) => `${group}/${resource} ${verb}`)),
    ),
  );
}
