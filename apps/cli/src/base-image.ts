/**
 * A base image for a machine that reaches no image hub: Debian's static busybox, whose binaries really are
 * of each architecture, as one OCI index in the embedded registry. apt verifies the packages; nothing of
 * another architecture is installed or run.
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { parsePlatform } from '@hephy/oci';
import {
  assembleIndex,
  createRegistryClient,
  moveTag,
  putIndex,
  verifyChild,
} from '@hephy/registry';
import type { PublishFailure, RegistryClient, VerifiedChild } from '@hephy/registry';
import { architectureOf } from './base-image/architectures.ts';
import { makeBusyboxLayer } from './base-image/busybox-layer.ts';
import { fetchDebianPackage } from './base-image/debian-package.ts';
import { pushLayer } from './base-image/push-layer.ts';

export interface BaseImageInput {
  /** `host:port`; plain http on this machine. */
  readonly registry: string;
  /** Such as `base/busybox`. */
  readonly repository: string;
  readonly tag?: string;
  /** Canonical, such as `linux/arm64`; the index has them in this order. */
  readonly platforms: readonly string[];
  /** Keeps the downloaded packages, so that the next run needs no network. */
  readonly cacheDir: string;
  /** For temporary files, which are gone afterwards. */
  readonly workDir: string;
  readonly log: (sentence: string) => void;
}

export interface BaseImage {
  /** `host:port/repository:tag` */
  readonly reference: string;
  readonly indexDigest: string;
  readonly platforms: readonly { readonly platform: string; readonly digest: string }[];
}

/** Puts the base image into the registry. The same packages give the same digests, and what is there
 *  already is not sent again. */
export async function seedBaseImage(input: BaseImageInput): Promise<BaseImage> {
  const { registry, repository, platforms, tag = 'latest' } = input;
  await mkdir(input.workDir, { recursive: true });
  const workDir = await mkdtemp(join(input.workDir, 'base-image-'));
  const client = createRegistryClient({ registry });
  try {
    const children = await Promise.all(
      platforms.map((platform, number) =>
        pushChild({ ...input, platform, workDir: join(workDir, String(number)) }, client),
      ),
    );
    const index = expected(assembleIndex(children, { platforms, mode: 'oci' }));
    expected(await putIndex({ ...index, repository }, { client }));
    expected(await moveTag({ ...index, repository, tag }, { client }));
    return {
      reference: `${registry}/${repository}:${tag}`,
      indexDigest: index.digest,
      platforms: children.map(({ descriptor }, number) => ({
        platform: platforms[number] ?? '',
        digest: descriptor.digest,
      })),
    };
  } catch (cause) {
    throw new Error(`seeding ${registry}/${repository}`, { cause });
  } finally {
    await client.close();
    await rm(workDir, { recursive: true, force: true });
  }
}

async function pushChild(
  input: BaseImageInput & { platform: string },
  client: RegistryClient,
): Promise<VerifiedChild> {
  const { repository, platform, workDir } = input;
  const parsed = parsePlatform(platform);
  if (!parsed.ok) throw new Error(parsed.problem);
  const architecture = architectureOf(platform);
  const wanted = { name: 'busybox-static', architecture: architecture.debianName };
  const debFile = await fetchDebianPackage(wanted, input);
  await mkdir(workDir);
  const tar = await makeBusyboxLayer({ debFile, architecture }, workDir);
  const digest = await pushLayer({ repository, platform: parsed.platform, tar }, client);
  return expected(await verifyChild({ repository, digest, platform }, { client }));
}

/** A registry of our own has no reason to refuse. */
function expected<T>(result: ({ ok: true } & T) | { ok: false; failure: PublishFailure }): T {
  if (result.ok) return result;
  throw new Error(result.failure.message, { cause: result.failure });
}
