import { expect, test } from 'vitest';
import { offersPlatform } from './offers-platform.ts';

const platform = (text: string) => {
  const [os = '', architecture = '', variant] = text.split('/');
  return { os, architecture, ...(variant !== undefined && { variant }) };
};

test.each([
  ['linux/amd64', 'linux/amd64', true],
  ['linux/amd64', 'linux/arm64', false],
  ['linux/amd64 linux/arm64', 'linux/arm64', true],
  ['windows/amd64', 'linux/amd64', false],
  ['linux/x86_64', 'linux/amd64', true],
  ['linux/arm64/v8', 'linux/arm64', true],
  ['linux/arm64/v9', 'linux/arm64', false],
  ['linux/amd64', 'linux/amd64/v3', true],
  ['linux/amd64/v3', 'linux/amd64', false],
  ['linux/arm/v6', 'linux/arm/v7', true],
  ['linux/arm/v7', 'linux/arm/v6', false],
  // It may be of any variant: only its builder finds out.
  ['linux/arm', 'linux/arm/v5', true],
  ['', 'linux/amd64', false],
])('an image for %j can stand for %s: %s', (offered, wanted, expected) => {
  const platforms = offered.split(' ').filter(Boolean).map(platform);
  expect(offersPlatform(platforms, platform(wanted))).toBe(expected);
});
