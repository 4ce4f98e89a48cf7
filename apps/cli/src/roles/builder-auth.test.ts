import { readEnvironment } from '@hephy/runtime';
import { describe, expect, test } from 'vitest';
import {
  builderAuth,
  builderCredentials,
  builderIsolation,
  parseDockerConfig,
  plainRegistries,
} from './builder-auth.ts';

const address = 'registry.example.com:5000/apps';

function registryOf(environment: Readonly<Record<string, string>>, registry = address) {
  const read = readEnvironment({ HEPHY_REGISTRY: registry, ...environment });
  if (!read.ok) throw new Error(read.problems.join());
  return { settings: read.settings, places: { registry, plainHttp: true } };
}

const publisher = { HEPHY_REGISTRY_USERNAME: 'ada', HEPHY_REGISTRY_PASSWORD: 'p:w' };
const builder = { HEPHY_BUILDER_USERNAME: 'builds', HEPHY_BUILDER_PASSWORD: 'b' };
const base64 = (text: string): string => Buffer.from(text).toString('base64');

test.each([
  ['nobody, where the registry asks for nothing', {}, undefined],
  ['the publisher, without a user of their own', publisher, 'ada:p:w'],
  ['their own user', { ...publisher, ...builder }, 'builds:b'],
  ['their own user, of whom alone this process knows', builder, 'builds:b'],
])('builders push as %s', (_, environment, user) => {
  const auth = builderAuth(registryOf(environment));
  const auths = { 'registry.example.com:5000': { auth: user && base64(user) } };
  expect(auth && JSON.parse(auth)).toEqual(user && { auths });
});

test("Docker's hub has the name that docker login gives it", () => {
  const auth = builderAuth(registryOf(publisher, 'docker.io/ada'));
  const auths = { 'https://index.docker.io/v1/': { auth: base64('ada:p:w') } };
  expect(JSON.parse(auth ?? '')).toEqual({ auths });
});

test.each([
  ['split', "with the publisher's user", publisher],
  ['together', 'with a user of their own', { ...publisher, ...builder }],
  ['together', 'with a user of their own alone', builder],
  ['together', 'where the registry asks for nothing', {}],
  ['split', 'with what a program says', { HEPHY_REGISTRY_CREDENTIAL_HELPER: 'ecr-login' }],
  ['together', 'where the operator says so', { ...publisher, HEPHY_ISOLATION: 'together' }],
  ['split', 'where the operator wants it', { ...publisher, ...builder, HEPHY_ISOLATION: 'split' }],
])('steps and push are %s %s', (isolation, _, environment) => {
  expect(builderIsolation(registryOf(environment))).toBe(isolation);
});

describe('what the containers of a builder are given', () => {
  const registry = registryOf(publisher);
  const user = { username: 'ada', password: 'p:w' };
  const reader = { auth: base64('reader:r') };
  const pull = parseDockerConfig(
    JSON.stringify({
      auths: { 'registry.example.com:5000': reader, 'registry.example.com:5000/base': reader },
      credHelpers: { 'registry.example.com:5000': 'ecr-login', 'gcr.io': 'gcr' },
    }),
  );
  const given = (isolation: 'together' | 'split', more = {}) => {
    const { dockerConfig, push } = builderCredentials(registry, { isolation, user, ...more });
    const parsed = [dockerConfig, push].map((text) => text && (JSON.parse(text) as unknown));
    return { dockerConfig: parsed[0], push: parsed[1] };
  };

  test('is one for all where they are together', () => {
    const auths = { 'registry.example.com:5000': { auth: base64('ada:p:w') } };
    expect(given('together')).toEqual({ dockerConfig: { auths }, push: undefined });
  });

  test('is nothing for the steps where they are split', () => {
    expect(given('split')).toEqual({
      dockerConfig: undefined,
      push: { username: 'ada', password: 'p:w' },
    });
  });

  test('lets the steps pull base images, and nothing else', () => {
    const { dockerConfig, push } = given('split', { pull });
    expect(dockerConfig).toEqual(pull);
    expect(push).toEqual({ username: 'ada', password: 'p:w' });
  });

  test('has who pushes before who pulls, where that is one file', () => {
    expect(given('together', { pull }).dockerConfig).toEqual({
      auths: {
        'registry.example.com:5000': { auth: base64('ada:p:w') },
        'registry.example.com:5000/base': reader,
      },
      credHelpers: { 'gcr.io': 'gcr' },
    });
  });

  test('is an identity token under its own name', () => {
    const token = { username: '<token>', password: 'refresh' };
    const auths = { 'registry.example.com:5000': { identitytoken: 'refresh' } };
    expect(given('together', { user: token }).dockerConfig).toEqual({ auths });
    expect(given('split', { user: token }).push).toEqual(token);
  });
});

test.each([
  ['no JSON: hunter2', 'see the whole'],
  ['{"credsStore": "hunter2"}', 'see the whole'],
  ['{"auths": "hunter2"}', 'see auths'],
  ['{"auths": {"r.example": {"auth": 1}}, "credHelpers": ["hunter2"]}', 'see auths, credHelpers'],
])('a config of %s is refused, and not shown', (text, words) => {
  expect(() => parseDockerConfig(text)).toThrow(words);
  expect(() => parseDockerConfig(text)).not.toThrow('hunter2');
});

test('a registry without TLS is named by its host', () => {
  expect(plainRegistries(registryOf({}))).toEqual(['registry.example.com:5000']);
});
