import { z } from 'zod';

export const Node = z.object({
  metadata: z.object({ name: z.string(), labels: z.record(z.string(), z.string()).default({}) }),
  spec: z
    .object({ taints: z.array(z.object({ key: z.string() })).default([]) })
    .default({ taints: [] }),
  status: z.object({
    conditions: z.array(z.object({ type: z.string(), status: z.string() })).default([]),
    nodeInfo: z.object({ architecture: z.string() }),
  }),
});
export type Node = z.infer<typeof Node>;

export const NodeList = z.object({ items: z.array(Node) });

export function isReady({ status }: Node): boolean {
  return status.conditions.some((one) => one.type === 'Ready' && one.status === 'True');
}
