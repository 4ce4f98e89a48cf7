import { BuildOptions } from '@hephy/core';
import type { BuilderSpec, Driver } from '@hephy/drivers';
import { expect, test } from 'vitest';
import { refuseOptions } from './refuse-options.ts';

const spec: BuilderSpec = {
  name: 'b-1-web-linux-arm64-a1',
  buildId: '1',
  appName: 'shop',
  platform: 'linux/arm64',
  source: { sha256: '0'.repeat(64), sizeBytes: 1 },
  dockerfilePath: 'Dockerfile',
  contextPath: '.',
  target: null,
  buildArgs: {},
  labels: {},
  destination: 'r.test/shop:b-1',
  noCache: false,
  timeLimitMs: 1000,
};

function setUp() {
  const started: string[] = [];
  const startOrAdopt: Driver['startOrAdopt'] = async ({ name }) => {
    started.push(name);
    return { ok: true, adopted: false };
  };
  const driver = refuseOptions({ startOrAdopt } as Driver, ({ imageFormat }) =>
    imageFormat?.concat(' cannot be had'),
  );
  return { driver, started };
}

test('what the backend does not have is refused with its sentence, and nothing is started', async () => {
  const { driver, started } = setUp();
  const options = BuildOptions.parse({ imageFormat: 'oci' });
  expect(await driver.startOrAdopt({ ...spec, options })).toEqual({
    ok: false,
    failure: {
      reason: 'OptionUnsupported',
      platform: 'linux/arm64',
      detail: 'oci cannot be had',
    },
  });
  expect(started).toEqual([]);
});

test('all else is left to the driver', async () => {
  const { driver, started } = setUp();
  await driver.startOrAdopt(spec);
  await driver.startOrAdopt({ ...spec, options: BuildOptions.parse({}) });
  expect(started).toHaveLength(2);
});
