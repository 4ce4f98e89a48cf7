import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { startServiceProcess } from '../../../../test/parts/service-process.ts';
import { defaultCacheDir } from '../cache-directory.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hd-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

test('a service whose executor has no telemetry does not start with a collector for it', async () => {
  const environment = {
    HOME: folder,
    XDG_CACHE_HOME: dirname(defaultCacheDir(process.env)),
    HEPHY_DATA: join(folder, 'data'),
    HEPHY_LISTEN_GIT: '127.0.0.1:0',
    HEPHY_LISTEN_API: '127.0.0.1:0',
    HEPHY_DRIVER: 'kubernetes',
    HEPHY_REGISTRY: 'registry.example',
    HEPHY_IMAGE: 'hephy:1',
    HEPHY_KANIKO_IMAGE: 'kaniko:v1.27.5',
    HEPHY_KANIKO_VERSION: '1.27.5',
    HEPHY_KANIKO_TELEMETRY_URL: 'http://spans:4318',
  };
  const logFile = join(folder, 'service.log');
  const started = startServiceProcess({ args: ['up'], environment, logFile, ready: 'Ctrl-C' });
  await expect(started).rejects.toThrow(
    /ended with 1 [^]*kaniko 1\.27\.5 has no telemetry; use kaniko 1\.28\.2 or later, or leave it out/,
  );
});
