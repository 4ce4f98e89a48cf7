import { readEnvironment } from '@hephy/runtime';
import { expect, test } from 'vitest';
import { builderAuth, plainRegistries } from './builder-auth.ts';

const address = 'registry.example.com:5000/apps';

function registryOf(environment: Readonly<Record<string, string>>) {
  const read = readEnvironment({ HEPHY_REGISTRY: address, ...environment });
  if (!read.ok) throw new Error(read.problems.join());
  return { settings: read.settings, places: { registry: address, plainHttp: true } };
}

const publisher = { HEPHY_REGISTRY_USERNAME: 'ada', HEPHY_REGISTRY_PASSWORD: 'p:w' };
const builder = { HEPHY_BUILDER_USERNAME: 'builds', HEPHY_BUILDER_PASSWORD: 'b' };

test.each([
  ['nobody, where the registry asks for nothing', {}, undefined],
  ['the publisher, without a user of their own', publisher, 'ada:p:w'],
  ['their own user', { ...publisher, ...builder }, 'builds:b'],
  ['their own user, of whom alone this process knows', builder, 'builds:b'],
])('builders push as %s', (_, environment, user) => {
  const auth = builderAuth(registryOf(environment));
  const encoded = user && Buffer.from(user).toString('base64');
  const auths = { 'registry.example.com:5000': { auth: encoded } };
  expect(auth && JSON.parse(auth)).toEqual(user && { auths });
});

test('a registry without TLS is named by its host', () => {
  expect(plainRegistries(registryOf({}))).toEqual(['registry.example.com:5000']);
});
