import type { S3Place } from './open-bucket.ts';
import type { S3Deps, S3SourceStore } from './s3-source-store.ts';

/** The client takes as long to load as all of `hephy`: only who has a bucket waits for it. */
export async function openS3SourceStore(place: S3Place, deps: S3Deps): Promise<S3SourceStore> {
  const { createS3SourceStore } = await import('./s3-source-store.ts');
  return createS3SourceStore(place, deps);
}
