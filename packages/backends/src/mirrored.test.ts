import { expect, test } from 'vitest';
import { mirrored } from './mirrored.ts';

const mirrors = [
  { from: 'docker.io', to: 'mirror.test:5000/hub', insecure: false },
  { from: 'docker.io/library', to: 'official.test', insecure: false },
];

test.each([
  ['docker.io/ada/base', 'mirror.test:5000/hub/ada/base'],
  ['docker.io/library/debian', 'official.test/debian'],
  ['docker.io/library2/debian', 'mirror.test:5000/hub/library2/debian'],
  ['ghcr.io/ada/base', 'ghcr.io/ada/base'],
])('%s is pulled as %s', (name, from) => {
  expect(mirrored(name, mirrors)).toBe(from);
});
