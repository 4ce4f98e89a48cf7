/** For which platforms the base images of a build are, those included that the app does not build. */
import { baseImagesOf, type DockerfileDialect, type DockerfileUse } from '@hephy/backends';
import { formatPlatform, offersPlatform, parsePlatform, type Platform } from '@hephy/oci';
import type { BaseAnswer } from './judge-base-images.ts';

/**
 * Of one image: the names of the base images that each platform takes for itself. null: other platforms begin with other
 * images. Undefined: its Dockerfile was not read.
 */
export type SharedBases = readonly string[] | null | undefined;

/** Any two that differ: what is not the same when a Dockerfile is read for both follows the platform. */
const probes = ['linux/amd64', 'linux/arm64'] as const;

/** A base image that `FROM --platform` ties to one platform limits no other: it is not among them. */
export function sharedBases(
  use: Omit<DockerfileUse, 'platform'>,
  dialect: DockerfileDialect,
): SharedBases {
  const [one, other] = probes.map((platform) => baseImagesOf({ ...use, platform }, dialect));
  if (!one?.ok || !other?.ok) return undefined;
  const namesOf = ({ images }: typeof one): string => images.map(({ name }) => name).join('\n');
  if (namesOf(one) !== namesOf(other)) return null;
  const follows = one.images.filter((base, at) => base.platform !== other.images[at]?.platform);
  return follows.map(({ name }) => name);
}

/** As `basePlatforms` in the result of a `Preflight`, of all images of the plan. `answers` by name. */
export function platformsOfBases(
  shared: readonly SharedBases[],
  answers: ReadonlyMap<string, BaseAnswer>,
): readonly string[] | null | undefined {
  if (shared.includes(undefined)) return undefined;
  const names = shared.flatMap((one) => one ?? []);
  if (shared.includes(null) || names.length === 0) return null;
  const offers: Platform[][] = [];
  for (const name of names) {
    const answer = answers.get(name);
    // One that does not say for which it is, is not known either.
    if (answer?.kind !== 'found' || answer.platforms.length === 0) return undefined;
    offers.push(buildable(answer.platforms));
  }
  const all = buildable(offers.flat());
  return all.filter((one) => offers.every((own) => offersPlatform(own, one))).map(formatPlatform);
}

/** Each once, and none that nobody builds for: a stranger's index may name any, as often as it likes. */
function buildable(platforms: readonly Platform[]): Platform[] {
  const names = new Set(platforms.map(formatPlatform));
  return [...names].flatMap((name) => {
    const parsed = parsePlatform(name);
    return parsed.ok ? [parsed.platform] : [];
  });
}
