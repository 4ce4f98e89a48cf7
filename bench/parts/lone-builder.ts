/** The fixed builder without a service: what the driver starts, follows and asks for its result, and nothing beside it. */
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { buildahCommands } from '@hephy/backends';
import { createLocalDriver, machinePlatformOf } from '@hephy/drivers';
import { createDirectorySourceStore } from '@hephy/source';
import { putFiles } from '../../test/parts/source-files.ts';
import { timed } from '../figure.ts';
import { installFixedBuilder } from './fixed-builder.ts';

const appName = 'lone';

/** Answers what runs one builder from its start to its result, in milliseconds. */
export async function prepareLoneBuilder(input: {
  readonly folder: string;
  /** `host:port`, without accounts. */
  readonly registry: string;
  readonly buildSeconds: number;
}): Promise<() => Promise<number>> {
  const data = join(input.folder, appName);
  const programs = await installFixedBuilder({ dataDirectory: data, appName, ...input });
  const sources = createDirectorySourceStore({ directory: join(data, 'sources') });
  const source = await putFiles(sources, { Dockerfile: 'FROM scratch\n' });
  const platform = machinePlatformOf(process.arch);
  const driver = createLocalDriver({
    directory: join(data, 'builders'),
    sources,
    commandsFor: (command) =>
      buildahCommands(command, {
        registriesConfPath: join(data, 'registries.conf'),
        plainRegistries: [input.registry],
      }),
    programs: ['buildah'],
    readable: [],
    machinePlatform: platform,
    environment: { PATH: `${programs}:${process.env['PATH'] ?? '/usr/bin:/bin'}` },
    maxLogBytes: 2 ** 20,
    maxCacheBytes: 2 ** 30,
    newId: randomUUID,
  });
  const runOnce = async (): Promise<void> => {
    const name = `b-${randomUUID()}`;
    const started = await driver.startOrAdopt({
      name,
      buildId: name,
      appName,
      platform,
      source,
      dockerfilePath: 'Dockerfile',
      contextPath: '.',
      target: null,
      buildArgs: {},
      labels: {},
      destination: `${input.registry}/${appName}:${name}`,
      noCache: false,
      timeLimitMs: 60_000,
    });
    if (!started.ok) throw new Error(started.failure.reason);
    const { signal } = new AbortController();
    for await (const _ of driver.followLog(name, { fromOffset: 0, signal }));
    const result = await driver.result(name, { signal });
    if (!result.ok) throw new Error(result.failure.reason);
  };
  return () => timed(runOnce);
}
