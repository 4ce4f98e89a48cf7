/** The real service, with its builds in the cluster, in a namespace and with rights as `deploy/builds.yaml` gives them. */
import { buildImage, pushImage } from '../image/build-image.ts';
import { startHephy, type Hephy } from '../parts/hephy.ts';
import {
  kubernetesSettings,
  makeBuildsNamespace,
  type BuildsNamespace,
  type OwnSettings,
} from './by-hand.ts';
import type { Cluster } from './start-cluster.ts';

export interface HephyOnCluster extends Hephy {
  readonly namespace: string;
}

/** Our own image as the cluster pulls it: for both architectures, from our Dockerfile. */
export async function pushOurImage({ registry }: Cluster): Promise<string> {
  const layout = await buildImage((sentence) => process.stderr.write(`${sentence}\n`));
  const reference = `${registry}/hephy:test`;
  await pushImage(layout, reference);
  return reference;
}

export async function startHephyOn(
  cluster: Cluster,
  environment: Readonly<Record<string, string>> = {},
  user?: OwnSettings['user'],
): Promise<HephyOnCluster> {
  const place = await makeBuildsPlace(cluster, user);
  const hephy = await startHephy({ environment: { ...place.settings, ...environment } });
  return {
    ...hephy,
    namespace: place.namespace,
    async close() {
      await hephy.close();
      await place.remove();
    },
  };
}

export interface BuildsPlace extends BuildsNamespace {
  /** What makes a service build there. */
  readonly settings: Readonly<Record<string, string>>;
}

/** A namespace for builds of services that run on this machine. */
export async function makeBuildsPlace(
  cluster: Cluster,
  user?: OwnSettings['user'],
): Promise<BuildsPlace> {
  const image = await pushOurImage(cluster);
  const builds = await makeBuildsNamespace(cluster);
  const settings = await kubernetesSettings(cluster, builds, { image, user });
  return { ...builds, settings: { ...settings, HEPHY_BUILDER_MEMORY: '1Gi' } };
}
