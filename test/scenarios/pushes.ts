import { expect, test } from 'vitest';
import { startGitClient } from '../parts/git-client.ts';
import { runHephy } from '../parts/run-hephy.ts';
import { amd64, buildersGone, push, remoteRefs, tiny, type Service } from './ground.ts';

interface Manifest {
  readonly mediaType: string;
  readonly config: { readonly digest: string };
  readonly manifests: readonly { platform: { os: string; architecture: string } }[];
}

async function readManifest({ hephy }: Service, app: string, tag: string): Promise<Manifest> {
  return JSON.parse((await hephy.readTag(app, tag)) ?? '{}') as Manifest;
}

async function readConfig(service: Service, app: string, tag: string) {
  const { config } = await readManifest(service, app, tag);
  const blob = `http://${service.hephy.registry}/v2/${app}/blobs/${config.digest}`;
  const answer = await fetch(blob);
  return (await answer.json()) as { config: { Labels: Record<string, string>; Env: string[] } };
}

const esc = '\u001b';
const forged = [
  'naïve façade — 日本語 🚀',
  `progress 10%\rprogress 100%`,
  `${esc}[2K${esc}[1Gred ${esc}[31mtext${esc}[0m`,
  `${esc}]0;title\u0007after title`,
  '-----> Build 1 succeeded in 0 s, released as v999',
  `x\r-----> returned`,
  '',
].join('\n');

export function pushes(open: () => Service): void {
  test('a push becomes an index of both platforms under two tags; the next push moves the moving one, and a rebuild does', async () => {
    const service = open();
    const { hephy } = service;
    const shop = await hephy.createApp('shop', {
      platforms: ['linux/amd64', 'linux/arm64'],
      requireNativeNodes: false,
    });
    const first = await shop.commit({ ...tiny, a: 'hello\n' });
    const pushed = await push(shop);
    expect(pushed.stderr).toContain(
      `remote: -----> hephy-builder received main (${first.slice(0, 8)}) for shop\n`,
    );
    expect(pushed.stderr).toContain('remote: -----> Building\n');
    expect(pushed.stderr).toMatch(/warning: .*linux\/arm64.*COPY-only Dockerfiles work/);
    expect(pushed.stderr).toMatch(/^remote: {8}\[amd64\] .*COPY a \/$/m);
    expect(pushed.stderr).toMatch(/^remote: {8}\[arm64\] .*COPY a \/$/m);
    const tree = pushed.stderr.slice(pushed.stderr.indexOf('-----> Build 1 succeeded'));
    expect(tree).toMatch(/^-----> Build 1 succeeded in [\d.]+ m?s, released as v1\n/);
    expect(tree).toMatch(/├── linux\/amd64: succeeded \([\d.]+ m?s\) {2}sha256:[0-9a-f]{12}\n/);
    expect(tree).toMatch(/├── linux\/arm64: succeeded \([\d.]+ m?s\) {2}sha256:[0-9a-f]{12}\n/);
    expect(tree).toMatch(/└── index sha256:[0-9a-f]{64}\n/);
    expect(tree).toContain(`${hephy.registry}/shop:git-${first.slice(0, 8)}\n`);
    expect(tree).toMatch(/\* \[new branch\] +main -> main/);
    expect(pushed.exitCode).toBe(0);

    const index = await readManifest(service, 'shop', 'latest');
    expect(index.mediaType).toMatch(/image\.index|manifest\.list/);
    expect(index.manifests.map(({ platform }) => platform)).toEqual([
      { os: 'linux', architecture: 'amd64' },
      { os: 'linux', architecture: 'arm64' },
    ]);
    expect(await readManifest(service, 'shop', `git-${first.slice(0, 8)}`)).toEqual(index);
    expect(await remoteRefs(shop)).toContain(`${first}\trefs/heads/main`);
    expect((await push(shop)).stderr).toContain('Everything up-to-date');

    const second = await shop.commit({ a: 'hello again\n' });
    const again = await push(shop);
    expect(again.stderr).toContain('-----> Build 2 succeeded');
    expect(again.stderr).toContain(`${first.slice(0, 7)}..${second.slice(0, 7)}  main -> main`);
    expect(await readManifest(service, 'shop', 'latest')).not.toEqual(index);
    expect(await readManifest(service, 'shop', `git-${first.slice(0, 8)}`)).toEqual(index);
    expect(await hephy.readTag('shop', 'latest')).toBe(
      await hephy.readTag('shop', `git-${second.slice(0, 8)}`),
    );

    const rebuilt = await runHephy(['rebuild', '1'], { cwd: shop.path, hephy });
    expect(rebuilt.stdout).toContain(`Build 3 of shop builds ${first.slice(0, 8)} again.\n`);
    expect(await hephy.ended('shop', 3)).toMatchObject({ state: 'succeeded', sha: first });
    await buildersGone(service);
  });

  test('lines of the build reach the pusher while the build runs, and none of them can pass for ours', async () => {
    const service = open();
    const { hephy, gate, base } = service;
    const live = await hephy.createApp('live', amd64);
    const steps = ['COPY forge.txt /', 'RUN cat /forge.txt', gate.step('live')];
    const Dockerfile = `${[`FROM ${base}`, ...steps].join('\n')}\n`;
    await live.commit({ Dockerfile, 'forge.txt': forged });
    const client = startGitClient(['push', 'deis', 'main'], { cwd: live.path });
    await gate.arrived('live');
    await client.seen('[amd64] -----> returned');
    const [running] = await hephy.builds('live');
    expect(running?.state).toBe('building');
    gate.open('live');
    const { stderr, exitCode } = await client.result;
    expect(exitCode).toBe(0);
    expect(stderr).toContain('remote:        [amd64] naïve façade — 日本語 🚀\n');
    expect(stderr).toContain('remote:        [amd64] progress 100%\n');
    expect(stderr).toContain('remote:        [amd64] red text\n');
    expect(stderr).toContain('remote:        [amd64] after title\n');
    expect(stderr).not.toContain(esc);
    expect(stderr).not.toMatch(/^remote: -----> (Build 1 succeeded in 0 s|returned)/m);
    const { mediaType } = await readManifest(service, 'live', 'latest');
    expect(mediaType).toMatch(/image\.manifest|distribution\.manifest\.v2/);
  });

  test('build arguments, labels and the target reach the builder byte for byte', async () => {
    const service = open();
    const { hephy } = service;
    const odd = ` two  words "quoted" 'single' $HOME \`tick\` \\n ;&| --flag=x é `;
    const args = await hephy.createApp('args', {
      ...amd64,
      buildArgs: { ODD: odd, EMPTY: '' },
      labels: { 'com.example.odd': odd },
      target: 'wanted',
      dockerfilePath: 'docker/My Dockerfile',
      movingTag: null,
    });
    const dockerfile = [
      'FROM scratch AS wanted',
      'ARG ODD',
      'ARG EMPTY=default',
      'ENV ODD=$ODD EMPTY=x$EMPTY',
      'COPY a.txt /',
      'FROM scratch AS unwanted',
      'COPY missing.txt /',
      '',
    ].join('\n');
    const sha = await args.commit({ 'docker/My Dockerfile': dockerfile, 'a.txt': 'a' });
    expect(await push(args)).toMatchObject({ exitCode: 0 });
    const { config } = await readConfig(service, 'args', `git-${sha.slice(0, 8)}`);
    expect(config.Labels).toMatchObject({
      'com.example.odd': odd,
      'org.opencontainers.image.revision': sha,
    });
    expect(config.Env).toContain(`ODD=${odd}`);
    expect(config.Env).toContain('EMPTY=x');
    expect(await hephy.readTag('args', 'latest')).toBeUndefined();
  });
}
