/** What kwok does with the pods of builders on fake nodes, and with their logs. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';

/** A builder's pod that has it ends well, and leaves its value as its message. */
export const endAnnotation = 'hephy-test/ends-with';

const Stage = z.looseObject({
  metadata: z.looseObject({ name: z.string() }),
  spec: z.looseObject({
    selector: z.looseObject({ matchExpressions: z.array(z.unknown()) }),
    next: z.looseObject({ statusTemplate: z.string() }),
  }),
});

const managed = '.metadata.labels["app.kubernetes.io/managed-by"]';
const builder = { key: managed, operator: 'In', values: ['hephy-builder'] };
const other = { ...builder, operator: 'NotIn' };
const released = { key: `.metadata.annotations["${endAnnotation}"]`, operator: 'Exists' };

/** From the stage that comes with kwok, in which a Job's pod ends as soon as it runs: one for builders, one for others. */
export function fakeBuilderStages(complete: string): unknown[] {
  const stage = Stage.parse(parse(complete));
  const message = `message: {{ index $root.metadata.annotations ${JSON.stringify(endAnnotation)} | Quote }}`;
  const ending = stage.spec.next.statusTemplate.replace(/^( *)reason:.*$/m, `$&\n$1${message}`);
  return [
    { ...stage, spec: selecting(stage.spec, [other]) },
    {
      ...stage,
      metadata: { name: 'builder-complete' },
      spec: { ...selecting(stage.spec, [builder, released]), next: { statusTemplate: ending } },
    },
  ];
}

function selecting(
  spec: z.infer<typeof Stage>['spec'],
  more: readonly unknown[],
): z.infer<typeof Stage>['spec'] {
  const { matchExpressions } = spec.selector;
  return { ...spec, selector: { matchExpressions: [...matchExpressions, ...more] } };
}

const logLines = ['building the image', 'taking a snapshot', 'pushing the image'];

/** One log for all containers, written now. */
export async function fakeLogs(folder: string): Promise<unknown> {
  const logsFile = join(folder, 'builder.log');
  const now = Date.now();
  const lines = logLines.map(
    (line, at) => `${new Date(now + at).toISOString().replace('Z', '000000Z')} stdout F ${line}\n`,
  );
  await writeFile(logsFile, lines.join(''));
  return {
    apiVersion: 'kwok.x-k8s.io/v1alpha1',
    kind: 'ClusterLogs',
    metadata: { name: 'builders' },
    spec: { logs: [{ logsFile, follow: true }] },
  };
}
