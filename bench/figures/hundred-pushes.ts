/**
 * One hundred apps are pushed at once, each for the machine's own platform, with the real buildah. The floor is the same
 * build and push, the very same command lines, as often, and as many at once as one worker runs.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buildahCommands } from '@hephy/backends';
import type { WorkTree } from '../../test/parts/git-client.ts';
import type { Hephy } from '../../test/parts/hephy.ts';
import { mebibytes, seconds, timed, type Figure } from '../figure.ts';
import { readMemory, resetPeak } from '../parts/memory.ts';
import { run } from '../parts/run.ts';
import { push, withService } from '../parts/service.ts';

const apps = 100;
/** As many platform builds as a worker runs at once unless told otherwise (HEPHY_WORKER_CONCURRENCY). */
const atOnce = 4;
const platform = process.arch === 'arm64' ? 'linux/arm64' : 'linux/amd64';
const files = { Dockerfile: 'FROM scratch\nCOPY hello.txt /hello.txt\n', 'hello.txt': 'hello\n' };

export const hundredPushes: Figure = {
  name: 'hundred-pushes',
  about: '100 concurrent pushes to 100 apps (tiny builds): failures, wall',
  goal: '0 failures',
  measure: () =>
    withService({}, async (hephy) => {
      const trees: WorkTree[] = [];
      for (let number = 0; number < apps; number += 1) {
        const tree = await hephy.createApp(`app-${number}`, { platforms: [platform] });
        await tree.commit({ ...files, 'number.txt': `${number}\n` });
        trees.push(tree);
      }
      const idle = await readMemory(hephy.pid());
      await resetPeak(hephy.pid());
      const errors: string[] = [];
      const wallMs = await timed(() =>
        Promise.all(trees.map((tree) => push(tree).catch((error) => errors.push(String(error))))),
      );
      const { peakBytes, nowBytes } = await readMemory(hephy.pid());
      const tagged = await Promise.all(
        trees.map((_, number) => hephy.readTag(`app-${number}`, 'latest')),
      );
      const failures = tagged.filter((manifest) => manifest === undefined).length;
      const floorMs = await timed(() => buildAll(hephy));
      return {
        measured: `${failures} failures, ${seconds(wallMs)}`,
        floor: `${seconds(floorMs)} (100 × buildah build and push, ${atOnce} at once)`,
        ratio: wallMs / floorMs,
        met: failures === 0 && errors.length === 0,
        notes: [
          `memory of the service: ${mebibytes(idle.nowBytes)} before, ${mebibytes(peakBytes)} at most, ${mebibytes(nowBytes)} after`,
          ...errors.slice(0, 3),
        ],
      };
    }),
};

async function buildAll(hephy: Hephy): Promise<void> {
  const numbers = Array.from({ length: apps }, (_, number) => number);
  const next = async (): Promise<void> => {
    for (let number = numbers.shift(); number !== undefined; number = numbers.shift()) {
      await buildOne(hephy, number);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, next));
}

async function buildOne({ folder, registry }: Hephy, number: number): Promise<void> {
  const place = join(folder, 'raw', String(number));
  const contextDirectory = join(place, 'context');
  await mkdir(contextDirectory, { recursive: true });
  for (const [name, content] of Object.entries({ ...files, 'number.txt': `${number}\n` })) {
    await writeFile(join(contextDirectory, name), content);
  }
  const commands = buildahCommands(
    {
      platform,
      contextDirectory,
      dockerfilePath: join(contextDirectory, 'Dockerfile'),
      target: null,
      buildArgs: {},
      labels: {},
      destination: `${registry}/raw-${number}:latest`,
      noCache: false,
      digestFile: join(place, 'digest'),
      scratchDirectory: place,
      cacheDirectory: join(place, 'cache'),
    },
    { plainRegistries: [registry] },
  );
  for (const { argv, environment } of commands) await run(argv, environment);
}
