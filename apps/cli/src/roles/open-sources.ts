import {
  createDirectorySourceStore,
  openS3SourceStore,
  type S3Deps,
  type S3SourceStore,
  type SourceStore,
} from '@hephy/source';
import { dataPath, type Connections } from './connect.ts';

/** Where commits' files are kept: in the bucket of the settings, or in a folder that receiver and workers share. */
export async function openSources(connections: Connections): Promise<SourceStore> {
  const { shutdown, health } = connections;
  const bucket = await openBucketOf(connections, connections);
  if (!bucket) return createDirectorySourceStore({ directory: dataPath(connections, 'sources') });
  shutdown.add('bucket', () => bucket.close());
  health.add('bucket', () => bucket.check());
  return bucket;
}

/** The bucket of the settings, if they name one. */
export async function openBucketOf(
  { settings }: Pick<Connections, 'settings'>,
  deps: S3Deps,
): Promise<S3SourceStore | undefined> {
  const { s3 } = settings;
  if (!s3) return undefined;
  const { bucket, prefix, region, endpoint, credentials } = s3;
  const place = {
    bucket,
    prefix,
    region,
    spoolDirectory: dataPath({ settings }, 'spool'),
    ...(endpoint !== null && { endpoint }),
    ...(credentials && {
      credentials: {
        accessKeyId: credentials.accessKeyId,
        secretAccessKey: credentials.secretAccessKey.reveal(),
      },
    }),
  };
  return openS3SourceStore(place, deps);
}
