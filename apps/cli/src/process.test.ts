import { isAbsolute } from 'node:path';
import { expect, test } from 'vitest';
import { readSettings } from './process.ts';

test("the system's own programs are found although a plain user's PATH does not name them", () => {
  const { path } = readSettings({ PATH: '/usr/bin:/bin' });
  expect(path.split(':')).toEqual(expect.arrayContaining(['/usr/bin', '/usr/sbin']));
});

test('a data folder that is named from here stays where it is', () => {
  expect(isAbsolute(readSettings({ HEPHY_DATA: 'data' }).settings.dataDirectory)).toBe(true);
});

test('secrets are taken out of the environment', () => {
  const environment = { HEPHY_DATABASE_URL: 'postgres://hephy:secret@localhost/hephy' };
  readSettings(environment);
  expect(environment).toEqual({});
});
