import { expect, test } from 'vitest';
import { mayAskForToken, mayFollow, registryOrigin } from './origin.ts';

test.each([
  ['docker.io', 'https://registry-1.docker.io'],
  ['r.example', 'https://r.example'],
  ['r.example:5000', 'https://r.example:5000'],
  ['localhost:5000', 'http://localhost:5000'],
  ['127.0.0.1:5000', 'http://127.0.0.1:5000'],
  ['[::1]:5000', 'http://[::1]:5000'],
])('%s is reached at %s', (registry, origin) => {
  expect(registryOrigin(registry).origin).toBe(origin);
});

test('plain http to another machine is used only where it was asked for', () => {
  expect(registryOrigin('registry:5000', true).origin).toBe('http://registry:5000');
  expect(registryOrigin('localhost:5000', false).origin).toBe('https://localhost:5000');
});

test.each([
  ['https://r.example', 'https://cdn.example/x', true],
  ['https://r.example', 'https://r.example/y', true],
  ['https://r.example', 'http://cdn.example/x', false],
  ['https://r.example', 'https://127.0.0.1/x', false],
  ['https://r.example', 'https://169.254.169.254/latest', false],
  ['https://r.example', 'https://[::1]/x', false],
  ['https://r.example', 'https://user:password@cdn.example/x', false],
  ['https://r.example', 'file:///etc/passwd', false],
  ['http://registry:5000', 'http://storage:9000/x', true],
  ['http://127.0.0.1:5000', 'http://127.0.0.1:9000/x', true],
])('%s may send us on to %s: %s', (registry, target, allowed) => {
  expect(mayFollow(new URL(registry), new URL(target))).toBe(allowed);
});

test.each([
  ['https://r.example', 'https://auth.example/token', true],
  ['http://registry:5000', 'http://registry:5001/token', true],
  ['http://registry:5000', 'http://auth:5001/token', false],
  ['http://127.0.0.1:5000', 'http://localhost:5001/token', true],
  ['https://r.example', 'http://r.example/token', false],
])('%s may send our password to %s: %s', (registry, realm, allowed) => {
  expect(mayAskForToken(new URL(registry), new URL(realm))).toBe(allowed);
});
