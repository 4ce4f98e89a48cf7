import type { DockerfileDialect } from './base-images.ts';

/** Source: kaniko 1.27.5, pkg/image/image_util.go. */
export const kanikoDialect: DockerfileDialect = {
  fromPlatform: 'ignored',
  shortNamesAreHubs: true,
};

/** Buildah on a machine of that platform. Its aliases are in `registries.conf.d`. */
export function buildahDialect(machine: string): DockerfileDialect {
  return { fromPlatform: { machine }, shortNamesAreHubs: false };
}
