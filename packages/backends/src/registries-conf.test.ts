import { expect, test } from 'vitest';
import { renderRegistriesConf } from './registries-conf.ts';

test('a mirror takes the place of its registry, also for short names', () => {
  const mirrors = [
    { from: 'docker.io', to: '127.0.0.1:5000/hub', insecure: true },
    { from: 'quay.io/team', to: 'mirror.example', insecure: false },
  ];
  const plainRegistries = ['127.0.0.1:5000', 'docker.io'];
  expect(renderRegistriesConf({ mirrors, plainRegistries })).toBe(`\
unqualified-search-registries = ["docker.io"]
short-name-mode = "disabled"

[[registry]]
prefix = "docker.io"
location = "127.0.0.1:5000/hub"
insecure = true

[[registry]]
prefix = "quay.io/team"
location = "mirror.example"
insecure = false

[[registry]]
location = "127.0.0.1:5000"
insecure = true
`);
});

test('without mirrors a short name is one of docker.io', () => {
  expect(renderRegistriesConf({ mirrors: [], plainRegistries: [] })).toBe(
    'unqualified-search-registries = ["docker.io"]\nshort-name-mode = "disabled"\n',
  );
});

test('a name that would end its quotes is refused', () => {
  const mirrors = [{ from: 'docker.io"\nblocked = false', to: 'a', insecure: false }];
  expect(() => renderRegistriesConf({ mirrors, plainRegistries: [] })).toThrow(
    /not a registry name/,
  );
});
