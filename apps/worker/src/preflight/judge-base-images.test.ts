import { expect, test } from 'vitest';
import { judgeBaseImages, type BaseAnswer, type WantedBase } from './judge-base-images.ts';

const arm64 = { os: 'linux', architecture: 'arm64' };
const amd64 = { os: 'linux', architecture: 'amd64' };
const base: WantedBase = {
  name: 'debian:12',
  line: 3,
  platform: 'linux/arm64',
  wanted: arm64,
  certain: true,
};
const at = 'docker.io/library/debian';

function judge(answer: BaseAnswer | undefined, changes: Partial<WantedBase> = {}) {
  return judgeBaseImages([{ ...base, ...changes }], new Map(answer && [[base.name, answer]]));
}

test('a base that is for the platform passes, and so does one that does not say', () => {
  const passed = { ok: true, warnings: [] };
  expect(judge({ kind: 'found', at, platforms: [amd64, arm64] })).toEqual(passed);
  expect(judge({ kind: 'found', at, platforms: [] })).toEqual(passed);
  expect(judge(undefined)).toEqual(passed);
});

test('a base that lacks the platform is refused with the platforms that it has', () => {
  const s390x = { os: 'linux', architecture: 's390x' };
  expect(judge({ kind: 'found', at, platforms: [amd64, amd64, s390x] })).toEqual({
    ok: false,
    failure: {
      reason: 'BaseImageUnavailable',
      platform: 'linux/arm64',
      detail:
        'debian:12 (line 3) in docker.io/library/debian is for linux/amd64, linux/s390x, and not for linux/arm64',
    },
  });
});

test('the platforms that all bases are for are the way out', () => {
  const s390x = {
    ...base,
    platform: 'linux/s390x',
    wanted: { os: 'linux', architecture: 's390x' },
  };
  const amd = { ...base, platform: 'linux/amd64', wanted: amd64 };
  const golang = { ...amd, name: 'golang' };
  const answers = new Map<string, BaseAnswer>([
    ['debian:12', { kind: 'found', at, platforms: [amd64, arm64] }],
    ['golang', { kind: 'unclear', why: 'docker.io did not answer in time' }],
  ]);
  const detail =
    'debian:12 (line 3) in docker.io/library/debian is for linux/amd64, linux/arm64, and not for linux/s390x';
  expect(judgeBaseImages([amd, golang, base, s390x], answers)).toMatchObject({
    failure: {
      platform: 'linux/s390x',
      detail: `${detail}; without it: hephy apps set platforms=linux/amd64,linux/arm64`,
    },
  });
});

test('a base that is not there is refused', () => {
  expect(judge({ kind: 'missing', at })).toMatchObject({
    ok: false,
    failure: { detail: 'debian:12 (line 3) is not in docker.io/library/debian' },
  });
});

test('where the name may mean another image, the builder has the last word', () => {
  expect(judge({ kind: 'missing', at }, { certain: false })).toEqual({
    ok: true,
    warnings: [
      'debian:12 (line 3) is not in docker.io/library/debian; unless this machine has another image of that name, the build fails',
    ],
  });
});

test('bases that could not be asked for are told in one line', () => {
  const answers = new Map<string, BaseAnswer>([
    ['debian:12', { kind: 'unclear', why: 'docker.io did not answer in time' }],
    ['golang', { kind: 'unclear', why: 'of another kind' }],
  ]);
  expect(judgeBaseImages([base, { ...base, name: 'golang' }], answers)).toEqual({
    ok: true,
    warnings: [
      'the platforms of debian:12, golang could not be asked for (docker.io did not answer in time)',
    ],
  });
});
