import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { describeMachine, inspectMachine } from './inspect-machine.ts';
import type { Machine } from './inspect-machine.ts';
import { findNeed, machineNeeds } from './needs.mjs';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hephy-machine-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const machine = (more: Partial<Machine> = {}): Machine => ({
  isRoot: true,
  userName: 'ada',
  searchPath: process.env['PATH'] ?? '',
  subordinateIds: undefined,
  ...more,
});

const need = (...anyOf: string[]) => ({
  name: 'it',
  purpose: 'be found',
  debianPackage: 'it',
  anyOf,
  modes: [],
});
const find = (name: string, searchPath = '') => findNeed(need(name), { searchPath });
const adviceWith = (subordinateIds: string | undefined) =>
  inspectMachine('run', machine({ isRoot: false, subordinateIds })).advice;

describe('what a machine needs', () => {
  test('is found on PATH, at an absolute path, and in a folder whose name is a version', async () => {
    const file = join(folder, '15/bin/hephy-postgres');
    await mkdir(join(folder, '15/bin'), { recursive: true });
    await writeFile(file, '');
    expect(find('hephy-postgres', `/nowhere:${folder}/15/bin`)).toBe(file);
    expect(find(file)).toBe(file);
    expect(find(`${folder}/*/bin/hephy-postgres`)).toBe(file);
    expect(find('hephy-postgres')).toBeUndefined();
    expect(find(`${folder}/none/*/hephy-postgres`)).toBeUndefined();
  });

  test('is whole on the machine that runs these tests', () => {
    const report = inspectMachine('test', machine());
    expect(report).toMatchObject({ ok: true, advice: [] });
    const needed = machineNeeds.filter(({ modes }) => modes.includes('test'));
    expect(report.findings.length).toBe(needed.filter((one) => !one.withoutRoot).length);
  });

  test('is told with its purpose and the one command that gets it', () => {
    const lacking = machine({ searchPath: '' });
    const report = inspectMachine('run', lacking);
    const lines = describeMachine(report);

    expect(report.ok).toBe(false);
    expect(lines).toContainEqual(
      expect.stringMatching(
        /^missing {2}Redis +needed to queue work and carry live output \(Debian package redis-server\)$/,
      ),
    );
    expect(lines.at(-1)).toMatch(
      /^Install what is missing: sudo sh -c 'apt-get update && apt-get install -y --no-install-recommends .*redis-server docker-registry'$/,
    );
  });

  test('includes a range of user ids for who is not root', () => {
    expect(adviceWith('ada:100000:65536\n')).toEqual([]);
    for (const without of [undefined, 'adam:100000:65536\n']) {
      expect(adviceWith(without)).toEqual([
        "Let ada run a Dockerfile's RUN steps without root: sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 ada",
      ]);
    }
  });
});
