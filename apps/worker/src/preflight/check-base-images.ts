import { addAbortSignal } from 'node:stream';
import { baseImagesOf, readInstructions, type DockerfileDialect } from '@hephy/backends';
import { failureOf, type Build, type PlannedImage } from '@hephy/core';
import type { PreflightResult } from '@hephy/drivers';
import { parsePlatform } from '@hephy/oci';
import { readSourceFile, type SourceStore } from '@hephy/source';
import type { AskRegistries } from './ask-registries.ts';
import { judgeBaseImages, type WantedBase } from './judge-base-images.ts';
import { platformsOfBases, sharedBases, type SharedBases } from './platforms-of-bases.ts';
import type { PreflightCheck } from './preflight-check.ts';

export interface BaseImageDeps {
  readonly sources: Pick<SourceStore, 'open'>;
  readonly dialect: DockerfileDialect;
  readonly ask: AskRegistries;
}

/** A stranger's Dockerfile is not to hold the worker up. */
const maxDockerfileBytes = 128 * 1024;
/** Of one build; the others are left to the builder. */
const mostAsked = 16;

/** Whether each Dockerfile of the plan has what it begins with, for each platform. */
export function createBaseImageCheck(deps: BaseImageDeps): PreflightCheck {
  return async (build, signal) => {
    const bases: WantedBase[] = [];
    const shared: SharedBases[] = [];
    for (const image of build.plan.images) {
      const dockerfile = await readDockerfile(build, image, { ...deps, signal });
      if (!dockerfile.ok) {
        const warning = `${image.dockerfilePath} could not be read in time for its base images`;
        return { ok: true, warnings: [warning] };
      }
      const wanted = wantedBases({ ...image, dockerfile: dockerfile.text }, deps.dialect);
      if (!wanted.ok) return wanted;
      bases.push(...wanted.bases);
      shared.push(wanted.shared);
    }
    const names = [...new Set(bases.map(({ name }) => name))].slice(0, mostAsked);
    const answers = await deps.ask(names, signal);
    const basePlatforms = platformsOfBases(shared, answers);
    return {
      ...judgeBaseImages(bases, answers),
      ...(basePlatforms !== undefined && { basePlatforms }),
    };
  };
}

/** Without a text: it is not there. That, and a source that is damaged, the driver tells better. */
async function readDockerfile(
  { source }: Pick<Build, 'source'>,
  { dockerfilePath: path }: PlannedImage,
  { sources, signal }: Pick<BaseImageDeps, 'sources'> & { signal: AbortSignal },
): Promise<{ ok: true; text: string | undefined } | { ok: false }> {
  try {
    const tarball = addAbortSignal(signal, sources.open(source));
    const file = await readSourceFile(tarball, { path, maxBytes: maxDockerfileBytes });
    return { ok: true, text: file?.toString() };
  } catch {
    return { ok: false };
  }
}

function wantedBases(
  image: PlannedImage & { readonly dockerfile: string | undefined },
  dialect: DockerfileDialect,
):
  { ok: true; bases: WantedBase[]; shared: SharedBases } | Extract<PreflightResult, { ok: false }> {
  const { dockerfile, dockerfilePath, platforms } = image;
  const instructions = dockerfile === undefined ? undefined : readInstructions(dockerfile);
  if (!instructions) return { ok: true, bases: [], shared: undefined };
  const bases: WantedBase[] = [];
  for (const platform of platforms) {
    const found = baseImagesOf({ ...image, instructions, platform }, dialect);
    if (!found.ok) {
      const detail = `${dockerfilePath}: ${found.problem}`;
      return { ok: false, failure: failureOf('DockerfileInvalid', { detail }) };
    }
    for (const base of found.images) {
      const wanted = parsePlatform(base.platform);
      const certain = dialect.shortNamesAreHubs || hasRegistry(base.name);
      if (wanted.ok) bases.push({ ...base, platform, wanted: wanted.platform, certain });
    }
  }
  return { ok: true, bases, shared: sharedBases({ ...image, instructions }, dialect) };
}

function hasRegistry(name: string): boolean {
  return /^(?:[^/]*[.:[][^/]*|localhost)\//.test(name);
}
