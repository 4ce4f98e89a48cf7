import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import type { SourceRef } from '@hephy/core';
import { createDirectorySourceStore, createSourceListener, sourceUrl } from '@hephy/source';
import { createSourceGrants, migrate, openDatabase, type OpenDatabase } from '@hephy/store';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createWorkTree } from '../../../../test/parts/git-client.ts';

const program = fileURLToPath(new URL('../../../../bin/hephy', import.meta.url));

let folder: string;
let database: OpenDatabase;
let server: Server;
let source: SourceRef;
let workspace: string;
let terminationLog: string;
const errors: unknown[] = [];
const asked: string[] = [];
let isSilent = false;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hephy-fetch-source-'));
  const cacheDirectory = join(tmpdir(), 'hephy-builder-tests');
  database = await openDatabase({ directory: undefined, cacheDirectory });
  await migrate(database.db);
  const sources = createDirectorySourceStore({ directory: join(folder, 'sources') });
  const work = await createWorkTree(join(folder, 'work'));
  await writeFile(join(folder, 'work', 'run'), '#!/bin/sh\n', { mode: 0o755 });
  await work.commit({ Dockerfile: 'FROM x\n' });
  const archive = spawn('git', ['-C', join(folder, 'work'), 'archive', 'HEAD']);
  const signal = AbortSignal.timeout(30_000);
  const stored = await sources.put(archive.stdout, { maxBytes: 1e6, signal });
  if (!stored.ok) throw new Error(stored.failure.reason);
  ({ source } = stored);
  const listener = createSourceListener({
    redeem: (grant) => grants().redeemGrant({ ...grant, at: new Date() }),
    sources,
    onError: (error) => errors.push(error),
  });
  server = createServer((request, response) => {
    asked.push(request.url ?? '');
    if (!isSilent) listener(request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterAll(async () => {
  const closed = once(server, 'close');
  server.close();
  server.closeAllConnections();
  await closed;
  await database.close();
  await rm(folder, { recursive: true, force: true });
});
beforeEach(async () => {
  const pod = await mkdtemp(join(folder, 'pod-'));
  workspace = join(pod, 'workspace');
  terminationLog = join(pod, 'termination-log');
});
afterEach(() => {
  isSilent = false;
});

const grants = () => createSourceGrants(database.db, randomBytes);

async function grantedUrl(): Promise<string> {
  const token = await grants().grantSource({ source, until: new Date(Date.now() + 60_000) });
  const { port } = server.address() as AddressInfo;
  return sourceUrl(`http://127.0.0.1:${port}`, token);
}

function startFetching(environment: Record<string, string>): ChildProcess {
  return spawn(program, ['fetch-source'], {
    env: {
      PATH: process.env['PATH'] ?? '',
      HEPHY_SOURCE_SHA256: source.sha256,
      HEPHY_SOURCE_SIZE_BYTES: String(source.sizeBytes),
      HEPHY_SOURCE_DIRECTORY: workspace,
      HEPHY_TERMINATION_LOG: terminationLog,
      ...environment,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

async function fetchSource(
  environment: Record<string, string>,
): Promise<{ code: unknown; stdout: string; stderr: string; lastWords: string }> {
  const child = startFetching(environment);
  const { stdout, stderr } = child;
  if (!stdout || !stderr) throw new Error('both are pipes');
  const [said, complained, [code]] = await Promise.all([
    text(stdout),
    text(stderr),
    once(child, 'close'),
  ]);
  const lastWords = await readFile(terminationLog, 'utf8').catch(() => '');
  return { code: code as unknown, stdout: said, stderr: complained, lastWords };
}

describe('hephy fetch-source', () => {
  it('puts the commit into the workspace, once for each grant', async () => {
    const url = await grantedUrl();
    const fetched = await fetchSource({ HEPHY_SOURCE_URL: url });
    expect(fetched).toMatchObject({ code: 0, stderr: '', lastWords: '' });
    expect(fetched.stdout).toMatch(/^fetched and unpacked the source in .* m?s\n$/);
    expect(await readFile(join(workspace, 'run'), 'utf8')).toBe('#!/bin/sh\n');
    expect((await stat(join(workspace, 'run'))).mode & 0o7777).toBe(0o755);

    await rm(workspace, { recursive: true });
    const again = await fetchSource({ HEPHY_SOURCE_URL: url });
    const words = 'SourceUnavailable: its grant has expired, or is not for this fetcher';
    expect(again).toEqual({ code: 1, stdout: '', stderr: `${words}\n`, lastWords: words });
    expect(await readdir(workspace)).toEqual([]);
    expect(errors).toEqual([]);
  });

  it('says which variable is wrong, and never what is in it', async () => {
    const refused = await fetchSource({
      HEPHY_SOURCE_URL: 'ftp://secret.example.com/secret',
      HEPHY_SOURCE_SIZE_BYTES: '-1',
    });
    const names = 'HEPHY_SOURCE_URL, HEPHY_SOURCE_SIZE_BYTES';
    expect(refused).toMatchObject({
      code: 1,
      lastWords: `InternalError: not as expected: ${names}`,
    });
    expect(refused.stderr).not.toContain('secret');
  });

  it('names a workspace that cannot be written to', async () => {
    const file = join(folder, 'file');
    await writeFile(file, '');
    const HEPHY_SOURCE_URL = await grantedUrl();
    const refused = await fetchSource({ HEPHY_SOURCE_URL, HEPHY_SOURCE_DIRECTORY: `${file}/x` });
    expect(refused.lastWords).toMatch(/^SourceUnavailable: unpacking: ENOTDIR: not a directory/);
    await mkdir(workspace);
    await writeFile(join(workspace, 'left'), '');
    const full = await fetchSource({ HEPHY_SOURCE_URL });
    expect(full.lastWords).toBe(`SourceUnavailable: ${workspace} is not empty`);
  });

  it('ends at once when its pod is deleted', async () => {
    isSilent = true;
    const url = await grantedUrl();
    const arrived = once(server, 'request');
    const child = startFetching({ HEPHY_SOURCE_URL: url });
    await arrived;
    const startedAt = performance.now();
    child.kill('SIGTERM');
    const [code] = (await once(child, 'close')) as [number | null];
    expect(code).toBe(143);
    expect(performance.now() - startedAt).toBeLessThan(3000);
  });
});
