import { z } from 'zod';
import type { Platform } from './platform.ts';

/** `sha256:` and 64 hex digits; the one algorithm that every registry stores. */
export const Digest = z.string().regex(/^sha256:[a-f0-9]{64}$/);

/** Source: OCI image-spec v1.1, descriptor.md. Only the fields that we read. */
export const Descriptor = z.object({
  mediaType: z.string().min(1).max(255),
  digest: Digest,
  size: z.int().nonnegative(),
});
export type Descriptor = Readonly<z.infer<typeof Descriptor>>;

/** The `platform` of an index entry, and the same fields of an image's config.
 *  Source: OCI image-spec v1.1, image-index.md and config.md. */
export const PlatformFields = z.object({
  architecture: z.string().min(1).max(64),
  os: z.string().min(1).max(64),
  variant: z.string().max(64).optional(),
  'os.version': z.string().max(128).optional(),
  'os.features': z.array(z.string().max(64)).max(64).nullish(),
});

/** Turns the spec's field names into ours, as they stand: see `normalizePlatform` to compare. */
export function readPlatformFields(fields: z.infer<typeof PlatformFields>): Platform {
  const { architecture, os, variant } = fields;
  const osVersion = fields['os.version'];
  const osFeatures = fields['os.features'];
  return {
    os,
    architecture,
    ...(variant && { variant }),
    ...(osVersion && { osVersion }),
    ...(osFeatures && osFeatures.length > 0 && { osFeatures }),
  };
}

/** Source: OCI image-spec v1.1, manifest.md; Docker's schema 2 has the same fields. */
export const ImageManifest = z.object({
  schemaVersion: z.literal(2),
  mediaType: z.string().optional(),
  config: Descriptor,
  layers: z.array(Descriptor),
});
export type ImageManifest = Readonly<z.infer<typeof ImageManifest>>;

/** Source: OCI image-spec v1.1, image-index.md; Docker's manifest list has the same fields. */
export const ImageIndex = z.object({
  schemaVersion: z.literal(2),
  mediaType: z.string().optional(),
  manifests: z.array(Descriptor.extend({ platform: PlatformFields.optional() })),
  annotations: z.record(z.string(), z.string()).optional(),
});
export type ImageIndex = Readonly<z.infer<typeof ImageIndex>>;

/** Source: OCI image-spec v1.1, config.md. */
export const ImageConfig = PlatformFields;
export type ImageConfig = Readonly<z.infer<typeof ImageConfig>>;
