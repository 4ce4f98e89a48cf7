import { setTimeout } from 'node:timers/promises';
import { describeMachine, inspectMachine, thisMachine } from '../machine/inspect-machine.ts';

/** Says what this machine lacks, and whether the bucket that the environment names answers. Answers whether all is well. */
export async function doctor(
  environment: NodeJS.ProcessEnv,
  print: (line: string) => void,
): Promise<boolean> {
  const report = inspectMachine('run', thisMachine());
  for (const line of describeMachine(report)) print(line);
  if (!environment['HEPHY_S3_BUCKET']) return report.ok;
  const trouble = await troubleOfBucket(environment);
  print(trouble === undefined ? 'ok       bucket' : `missing  bucket: ${trouble}`);
  return report.ok && trouble === undefined;
}

async function troubleOfBucket(environment: NodeJS.ProcessEnv): Promise<string | undefined> {
  // Whoever has no bucket does not wait for the service to be loaded.
  const { readSettings } = await import('../process.ts');
  const { openBucketOf } = await import('../roles/open-sources.ts');
  const bucket = await openBucketOf(readSettings(environment), {
    wait: (milliseconds, signal) => setTimeout(milliseconds, undefined, { signal }),
    onError: () => undefined,
  });
  try {
    await bucket?.check();
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    bucket?.close();
  }
}
