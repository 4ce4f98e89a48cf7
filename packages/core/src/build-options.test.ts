import { describe, expect, it } from 'vitest';
import { askedFormat, BuildOptions, optionProblems } from './build-options.ts';

const optionsOf = (options: Partial<BuildOptions>) => BuildOptions.parse(options);

describe('build options', () => {
  it('ask for nothing unless they are set', () => {
    const values = Object.values(BuildOptions.parse({}));
    expect(values.every((value) => value === null)).toBe(true);
    expect(optionProblems(BuildOptions.parse({}))).toEqual([]);
  });

  it.each([
    { imageFormat: 'v2s2' },
    { compression: 'xz' },
    { compressionLevel: 0 },
    { compressionLevel: 2.5 },
    { compressionLevel: 23 },
    { snapshotMode: 'none' },
    { cacheTtlHours: 0 },
    { cacheTtlHours: 1e9 },
    { cacheRepository: '${REPOSITORY}/${FOO}-${ARCH}' },
    { cacheRepository: 'r.example/other/cache-${ARCH}' },
  ])('refuse %j', (options) => {
    expect(BuildOptions.safeParse(options).success).toBe(false);
  });

  it.each<[Partial<BuildOptions>, object[]]>([
    [
      { compression: 'zstd', imageFormat: 'docker' },
      [{ option: 'compression', message: expect.stringContaining('set compression to gzip') }],
    ],
    [
      { compressionLevel: 10 },
      [
        {
          option: 'compressionLevel',
          message: '10 is not a compression level of gzip; use 1 to 9',
        },
      ],
    ],
    [{ compression: 'zstd', compressionLevel: 22 }, []],
    [{ compression: 'zstd', imageFormat: 'oci' }, []],
  ])('%j together have the problems %j', (options, problems) => {
    expect(optionProblems(optionsOf(options))).toEqual(problems);
  });

  it.each<[Partial<BuildOptions> | undefined, string | undefined]>([
    [undefined, undefined],
    [{}, undefined],
    [{ compression: 'gzip' }, undefined],
    [{ compression: 'zstd' }, 'oci'],
    [{ imageFormat: 'docker' }, 'docker'],
  ])('%j make the format %s', (options, format) => {
    expect(askedFormat(options && optionsOf(options))).toBe(format);
  });
});
