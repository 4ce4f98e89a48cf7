/** Sources in a bucket: a receiver and a worker that share no volume, and versitygw, which Go builds, between them. */
import { execFile } from 'node:child_process';
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runGitClient, type GitClientResult, type WorkTree } from '../parts/git-client.ts';
import { showLogOnFailure } from '../parts/hephy.ts';
import { startRoles } from '../parts/hephy-roles.ts';
import { startS3Server, type S3Server } from '../parts/s3-server.ts';
import { hephyProgram, processesWith } from '../parts/service-process.ts';
import { until } from '../parts/until.ts';
import { buildTool } from './tools.ts';

let s3: S3Server;
let hephy: Awaited<ReturnType<typeof startRoles>>;
let environment: Record<string, string>;
beforeAll(async () => {
  s3 = await startS3Server(await buildTool('versitygw'));
  environment = {
    HEPHY_S3_BUCKET: s3.bucket,
    HEPHY_S3_PREFIX: 'hephy/sources/',
    HEPHY_S3_ENDPOINT: s3.url,
    HEPHY_S3_ACCESS_KEY_ID: s3.credentials.accessKeyId,
    HEPHY_S3_SECRET_ACCESS_KEY: s3.credentials.secretAccessKey,
  };
  hephy = await startRoles(['receiver', 'worker', 'publisher', 'api'], {
    environment,
    apart: true,
  });
});
afterAll(async () => {
  await hephy?.close();
  await s3?.stop();
});
showLogOnFailure(() => hephy);

const amd64 = { platforms: ['linux/amd64'] };
const files = (content: string) => ({ Dockerfile: 'FROM scratch\nCOPY a /\n', a: content });
const push = ({ path }: WorkTree): Promise<GitClientResult> =>
  runGitClient(['push', 'deis', 'main'], { cwd: path });
const objects = () => readdir(join(s3.directory, 'hephy', 'sources')).catch(() => []);

test('a push goes from the receiver through the bucket to the worker', async () => {
  const app = await hephy.createApp('shop', amd64);
  await app.commit(files('shop'));
  const { stderr, exitCode } = await push(app);
  expect(stderr).toContain('-----> Build 1 succeeded');
  expect(exitCode).toBe(0);
  expect(await objects()).toEqual([expect.stringMatching(/^[0-9a-f]{64}\.tar$/)]);
  expect(await readdir(hephy.dataOf('receiver'))).toEqual(['git', 'spool']);
  expect(await readdir(join(hephy.dataOf('receiver'), 'spool'))).toEqual([]);
  expect(await readdir(hephy.dataOf('worker'))).not.toContain('sources');
});

test('a source that the bucket has lost fails its build, and says so', async () => {
  const [build] = await hephy.builds('shop');
  for (const name of await objects()) await rm(join(s3.directory, 'hephy', 'sources', name));
  expect((await hephy.call('POST', `/v1/builds/${build?.id}/rebuild`)).status).toBe(202);
  const { failure } = await hephy.ended('shop', 2);
  expect(failure).toMatchObject({
    reason: 'SourceUnavailable',
    sentence: expect.stringContaining('the bucket sources does not have it (404 NoSuchKey)'),
  });
});

test('while the bucket is away a push is refused with a sentence, and nothing is recorded', async () => {
  const app = await hephy.createApp('away', amd64);
  await app.commit(files('away'));
  await s3.kill();
  try {
    const { stderr, exitCode } = await push(app);
    expect(stderr.replace(/\s+/g, ' ')).toContain(
      "! [remote rejected] main -> main (the commit's files could not be stored: the bucket sources does not answer (ECONNREFUSED); push again later)",
    );
    expect(exitCode).toBe(1);
    expect(await hephy.builds('away')).toEqual([]);
    const ready = await fetch(`${hephy.gitUrl}/readyz`);
    expect(ready.status).toBe(503);
    expect(await ready.json()).toMatchObject({
      checks: { bucket: 'the bucket sources does not answer (ECONNREFUSED)', redis: 'ok' },
    });
    expect(await doctor()).toMatchObject({
      code: 1,
      stdout: expect.stringMatching(/^missing {2}bucket: the bucket sources does not answer/m),
    });
  } finally {
    await s3.start();
  }
  expect(await push(app)).toMatchObject({ exitCode: 0 });
  await until('a receiver that is ready', async () => (await fetch(`${hephy.gitUrl}/readyz`)).ok);
  expect(await doctor()).toMatchObject({ stdout: expect.stringMatching(/^ok +bucket$/m) });
});

test('the key is in no log and on no command line', async () => {
  const { accessKeyId, secretAccessKey } = s3.credentials;
  expect(await readFile(hephy.logFile, 'utf8')).toContain('the bucket sources');
  expect(await readFile(hephy.logFile, 'utf8')).not.toMatch(`${accessKeyId}|${secretAccessKey}`);
  expect(await processesWith(secretAccessKey)).toEqual([]);
});

function doctor(): Promise<{ stdout: string; code: number }> {
  const env = { PATH: process.env['PATH'] ?? '', ...environment };
  return new Promise((resolve) => {
    execFile(hephyProgram, ['doctor'], { env, timeout: 30_000 }, (error, stdout) => {
      resolve({ stdout, code: error ? 1 : 0 });
    });
  });
}
