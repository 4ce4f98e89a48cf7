import { zstdDecompressSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { runHephy } from '../parts/run-hephy.ts';
import { amd64, push, type Service } from './ground.ts';

const Manifest = z.object({
  mediaType: z.string(),
  layers: z.array(z.object({ mediaType: z.string(), digest: z.string() })),
});

const value = ` -x --y=z,a #1 'a' "b"\n second $(HOME) $$ \${HOME} \\ é `;

export function buildOptions(open: () => Service): void {
  test('what the command line sets for an app is what its next build does', async () => {
    const { hephy, base } = open();
    const app = await hephy.createApp('options', amd64);
    const buildArgs = JSON.stringify({ VALUE: value }, null, 2);
    const said = await runHephy(
      [
        'apps',
        'set',
        'compression=zstd',
        'compressionLevel=19',
        'cacheTtlHours=48',
        `buildArgs=${buildArgs}`,
      ],
      { cwd: app.path, hephy },
    );
    expect(JSON.parse(said.stdout)).toMatchObject({
      compression: 'zstd',
      compressionLevel: 19,
      cacheTtlHours: 48,
      buildArgs: { VALUE: value },
    });
    const step = 'RUN printf "<%s>" "$VALUE" > /value';
    await app.commit({ Dockerfile: `FROM ${base}\nARG VALUE\n${step}\n` });
    expect(await push(app)).toMatchObject({ exitCode: 0 });
    const { layers } = Manifest.parse(
      JSON.parse((await hephy.readTag('options', 'latest')) ?? '{}'),
    );
    const last = layers.at(-1);
    expect(last?.mediaType).toBe('application/vnd.oci.image.layer.v1.tar+zstd');
    const blob = await fetch(`http://${hephy.registry}/v2/options/blobs/${last?.digest}`);
    const files = zstdDecompressSync(await blob.arrayBuffer()).toString('utf8');
    expect(files).toContain(`<${value}>`);
  });
}
