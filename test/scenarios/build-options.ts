import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { runHephy } from '../parts/run-hephy.ts';
import { amd64, push, type Service } from './ground.ts';

const Manifest = z.object({
  mediaType: z.string(),
  layers: z.array(z.object({ mediaType: z.string() })),
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
    const step = 'RUN printf %s "$VALUE" > /value && sha256sum /value';
    await app.commit({ Dockerfile: `FROM ${base}\nARG VALUE\n${step}\n` });
    const pushed = await push(app);
    expect(pushed.stderr).toContain(createHash('sha256').update(value).digest('hex'));
    expect(pushed.exitCode).toBe(0);
    const { layers } = Manifest.parse(
      JSON.parse((await hephy.readTag('options', 'latest')) ?? '{}'),
    );
    expect(layers.at(-1)?.mediaType).toBe('application/vnd.oci.image.layer.v1.tar+zstd');
  });
}
