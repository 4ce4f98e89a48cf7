/**
 * What the publisher does between the last platform build and the release, without the record: its own verbs, in the
 * order of `publish-image.ts`. The peer is what a script would do with buildah, which verifies nothing.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createReleaseRegistry, type Answer, type ReleaseRegistry } from '@hephy/publisher';
import { createRegistryClient, type RegistryClient } from '@hephy/registry';
import { pushImage } from '../../test/parts/images.ts';
import { startRegistry } from '../../test/parts/registry.ts';
import { median, milliseconds, timed, type Figure } from '../figure.ts';
import { run } from '../parts/run.ts';

const runs = 20;
const platforms = ['linux/amd64', 'linux/arm64'];

export const indexPublication: Figure = {
  name: 'index-publication',
  about: 'index publication with its verification, 2 platforms, 2 tags (p50)',
  goal: 'ratio ≤ 0.2',
  async measure() {
    const registry = await startRegistry();
    const folder = await mkdtemp(join(tmpdir(), 'hb-'));
    const client = createRegistryClient({ registry: registry.host });
    const release = createReleaseRegistry(client, () => new Date());
    const ours: number[] = [];
    const peers: number[] = [];
    try {
      for (let number = 0; number <= runs; number += 1) {
        const mine = await prepare({ client, name: 'ours', number });
        const theirs = await prepare({ client, name: 'theirs', number });
        const ourMs = (): Promise<number> => timed(() => publish(mine, release));
        const peerMs = (): Promise<number> => timed(() => publishWithBuildah(theirs, folder));
        // In turns, so that neither always finds what the other has warmed up; the first round is for warming up.
        const [first, second] = number % 2 === 0 ? [ourMs, peerMs] : [peerMs, ourMs];
        const [a, b] = [await first(), await second()];
        if (number === 0) continue;
        ours.push(number % 2 === 0 ? a : b);
        peers.push(number % 2 === 0 ? b : a);
      }
    } finally {
      await client.close();
      await registry.stop();
      await rm(folder, { recursive: true, force: true });
    }
    const ratio = median(ours) / median(peers);
    return {
      measured: milliseconds(median(ours)),
      floor: `${milliseconds(median(peers))} (buildah manifest, unverified)`,
      ratio,
      met: ratio <= 0.2,
      notes: [`${runs} publications of each, in turns, new images and new tags each time`],
    };
  },
};

interface Publication {
  /** `registry/repository` */
  readonly repository: string;
  readonly children: readonly {
    readonly platform: string;
    readonly digest: string;
    readonly tag: string;
  }[];
  readonly tags: readonly string[];
}

async function prepare(input: {
  client: RegistryClient;
  name: string;
  number: number;
}): Promise<Publication> {
  const { client, name, number } = input;
  const children = await Promise.all(
    platforms.map(async (platform) => {
      const [os, architecture] = platform.split('/');
      const content = `${name} ${platform} ${number}\n`;
      const tag = `b-${number}-${architecture}`;
      const image = { repository: name, platform: { os, architecture }, content, tag };
      return { platform, tag, digest: await pushImage(client, image) };
    }),
  );
  return { repository: `${client.registry}/${name}`, children, tags: [`git-${number}`, 'latest'] };
}

async function publish(
  { repository, children, tags }: Publication,
  registry: ReleaseRegistry,
): Promise<void> {
  const { signal } = new AbortController();
  const verified = await Promise.all(
    children.map(async (child) =>
      valueOf(await registry.verifyChild({ ...child, repository, signal })),
    ),
  );
  const image = valueOf(
    await registry.putImage({
      repository,
      children: verified,
      index: true,
      format: 'auto',
      signal,
    }),
  );
  const before = new Date(Date.now() + 15_000);
  await Promise.all(
    tags.map(async (tag) =>
      valueOf(await registry.moveTag({ repository, tag, image, before, signal })),
    ),
  );
}

async function publishWithBuildah(
  { repository, children, tags }: Publication,
  folder: string,
): Promise<void> {
  const buildah = (...args: string[]): Promise<string> =>
    run(['buildah', `--root=${folder}/root`, `--runroot=${folder}/run`, 'manifest', ...args]);
  const list = `list-${tags[0]}`;
  await buildah('create', list);
  for (const { digest } of children) {
    await buildah('add', '--tls-verify=false', list, `docker://${repository}@${digest}`);
  }
  for (const tag of tags) {
    await buildah('push', '--tls-verify=false', '--all', list, `docker://${repository}:${tag}`);
  }
}

function valueOf<T>(answer: Answer<T>): T {
  if (!answer.ok) throw new Error(answer.failure.reason);
  return answer.value;
}
