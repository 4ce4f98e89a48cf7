import { assert, dictionary, property, string } from 'fast-check';
import { expect, test } from 'vitest';
import { buildahCommands } from './buildah.ts';
import { parseKanikoConfig } from './kaniko-config.ts';
import { kanikoContainer } from './kaniko.ts';

const parsed = parseKanikoConfig({ image: 'r.example/kaniko:v1.27.5', version: '1.27.5' });
if (!parsed.ok) throw new Error(parsed.problems.join());
const { config } = parsed;

const input = {
  platform: 'linux/arm64',
  contextDirectory: '/workspace',
  target: null,
  destination: 'r.example/shop:b-1',
  noCache: false,
  digestFile: '/digest',
};
interface Asked {
  readonly buildArgs: Record<string, string>;
  readonly labels: Record<string, string>;
}
const kaniko = (asked: Asked): readonly string[] =>
  kanikoContainer({ ...input, ...asked, contextPath: '.', dockerfilePath: 'Dockerfile' }, config)
    .args;
const buildah = (asked: Asked): readonly string[] => {
  const places = { dockerfilePath: '/Dockerfile', scratchDirectory: '/s', cacheDirectory: '/c' };
  const commands = buildahCommands({ ...input, ...places, ...asked }, { plainRegistries: [] });
  return commands.find(({ phase }) => phase === 'build')?.argv ?? [];
};

const word = string({ unit: 'binary', maxLength: 40 });
const pairs = (map: Record<string, string>): string[] =>
  Object.entries(map).map(([name, value]) => `${name}=${value}`);

test.each([
  ['kaniko', kaniko],
  ['buildah', buildah],
])('%s is given each build argument and label once, and as it is', (_, wordsOf) => {
  const plain = wordsOf({ buildArgs: {}, labels: {} });
  assert(
    property(dictionary(word, word), dictionary(word, word), (buildArgs, labels) => {
      const words = wordsOf({ buildArgs, labels });
      const behind = (flag: string) =>
        words.filter((one) => one.startsWith(flag)).map((one) => one.slice(flag.length));
      expect(behind('--build-arg=')).toEqual(pairs(buildArgs));
      expect(behind('--label=')).toEqual(pairs(labels));
      expect(words).toHaveLength(plain.length + pairs(buildArgs).length + pairs(labels).length);
    }),
  );
});
