import { failureOf, type Failure, type ImageTag } from '@hephy/core';
import type {
  Answer,
  ReleaseRegistry,
  StoredImage,
  VerifiedChild,
} from '../../apps/publisher/src/release-registry.ts';
import { unlessAborted, type Process } from './process.ts';
import { millisecondsOf, type World } from './world.ts';

export interface Image {
  readonly buildId: string;
  readonly platform: string;
}

/** A tag that was set, in the order of setting. */
export interface TagMove extends ImageTag {
  readonly digest: string;
}

export interface SimulatedRegistry {
  readonly images: ReadonlyMap<string, Image>;
  /** The children of each index. */
  readonly indexes: ReadonlyMap<string, readonly string[]>;
  readonly moves: readonly TagMove[];
  pushImage(digest: string, image: Image): void;
  putIndex(digest: string, children: readonly string[]): void;
  /** The digest that it names. */
  readTag(tag: ImageTag): string | undefined;
  setTag(move: TagMove): void;
}

export function makeRegistry(onMove: (move: TagMove) => void): SimulatedRegistry {
  const images = new Map<string, Image>();
  const indexes = new Map<string, readonly string[]>();
  const moves: TagMove[] = [];
  return {
    images,
    indexes,
    moves,
    pushImage: (digest, image) => void images.set(digest, image),
    putIndex: (digest, children) => void indexes.set(digest, children),
    readTag: ({ repository, tag }) =>
      moves.findLast((move) => move.repository === repository && move.tag === tag)?.digest,
    setTag(move) {
      moves.push(move);
      onMove(move);
    },
  };
}

const indexType = 'application/vnd.oci.image.index.v1+json';
const manifestType = 'application/vnd.oci.image.manifest.v1+json';

/** Nobody in a simulation reads a manifest: what it names is kept beside it. */
const noBytes = new Uint8Array();

/** How one publisher reaches the registry. */
export function registryPort(
  process: Process,
  registry: SimulatedRegistry,
  world: World,
): ReleaseRegistry {
  const ask = <T>(request: Ask<T>): Promise<Answer<T>> => askRegistry(request, process, world);
  const childOf = (digest: string, platform: string): Answer<VerifiedChild> => {
    const image = registry.images.get(digest);
    if (!image) return refused('DigestMissing');
    if (image.platform !== platform) return refused('PlatformMismatch');
    const [os = '', architecture = '', variant] = platform.split('/');
    const configPlatform = { os, architecture, ...(variant && { variant }) };
    const descriptor = { mediaType: manifestType, digest, size: noBytes.length };
    return { ok: true, value: { platform, configPlatform, descriptor, bytes: noBytes } };
  };
  return {
    verifyChild: ({ digest, platform, signal }) =>
      ask({
        verb: 'verifyChild',
        input: digest,
        signal,
        land: () => childOf(digest, platform),
      }),
    putImage({ children, index, signal }) {
      const [only] = children;
      if (!index && only) {
        return Promise.resolve({ ok: true, value: { ...only.descriptor, bytes: noBytes } });
      }
      const digests = children.map(({ descriptor }) => descriptor.digest);
      const digest = `index of ${digests.join(' ')}`;
      return ask<StoredImage>({
        verb: 'putImage',
        input: digest,
        signal,
        land() {
          registry.putIndex(digest, digests);
          return { ok: true, value: { digest, mediaType: indexType, bytes: noBytes } };
        },
      });
    },
    // Read and written in two requests: what was read may be old when it is written.
    async tryTag({ repository, tag, before, onWrite }) {
      const input = `${repository}:${tag}`;
      const read = await ask<string | undefined>({
        verb: 'readTag',
        input,
        before,
        land: () => ({ ok: true, value: registry.readTag({ repository, tag }) }),
      });
      if (!read.ok) return read;
      const digest = read.value;
      if (digest !== undefined) onWrite();
      return ask<void>({
        verb: 'tryTag',
        input,
        before,
        land() {
          if (digest !== undefined) registry.setTag({ repository, tag, digest });
          return { ok: true, value: undefined };
        },
      });
    },
    moveTag: ({ repository, tag, image: { digest }, before, signal }) =>
      ask<{ proven: boolean }>({
        verb: 'moveTag',
        input: `${repository}:${tag}`,
        before,
        signal,
        land() {
          const from = registry.readTag({ repository, tag });
          registry.setTag({ repository, tag, digest });
          return { ok: true, value: { proven: from !== undefined && from !== digest } };
        },
      }),
  };
}

interface Ask<T> {
  readonly verb: string;
  readonly input: unknown;
  readonly before?: Date;
  readonly signal?: AbortSignal;
  readonly land: () => Answer<T>;
}

/** A request may fail, be done without an answer, or be done after its sender has given up; after `before`, never. */
function askRegistry<T>(
  { verb, input, before, signal, land }: Ask<T>,
  process: Process,
  world: World,
): Promise<Answer<T>> {
  const { random, scheduler } = world;
  const fate = world.strikes('registry')
    ? random.pick(['refused', 'unheard', 'late', 'late', 'late'])
    : 'done';
  const inTime = (): boolean => !before || scheduler.now() <= millisecondsOf(before);
  const landLate = (): void => {
    if (!inTime()) return;
    world.trace('registry', () => `${verb} ${JSON.stringify(input)} lands late`);
    land();
  };
  const answer = process.call<Answer<T>>({
    verb,
    input,
    fault: 'none',
    slowest: 3_000,
    land() {
      if (fate === 'refused') return refused(random.chance(0.1) ? 'PushDenied' : 'RateLimited');
      if (fate === 'late') scheduler.after(random.between(0, 40_000), landLate);
      if (fate === 'late' || !inTime()) return refused('RegistryUnavailable');
      const answer = land();
      return fate === 'unheard' ? refused('RegistryUnavailable') : answer;
    },
  });
  return signal ? unlessAborted(answer, signal) : answer;
}

function refused(reason: Failure['reason']): { ok: false; failure: Failure } {
  return { ok: false, failure: failureOf(reason) };
}
