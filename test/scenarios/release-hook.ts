/** Whoever is told of releases: after the tags have moved, signed, until it answers or its tries are over. */
import { afterAll, expect, test } from 'vitest';
import { Webhook } from 'standardwebhooks';
import { z } from 'zod';
import { startWebhookReceiver, type WebhookReceiver } from '../parts/webhook-receiver.ts';
import { amd64, push, remoteRefs, tiny, type Service } from './ground.ts';

const Release = z.object({
  type: z.literal('release.published'),
  data: z.looseObject({ digest: z.string(), image: z.string(), tags: z.array(z.string()) }),
});

export function releaseHook(open: () => Service): void {
  const hooks: WebhookReceiver[] = [];
  afterAll(() => Promise.all(hooks.map((hook) => hook.close())));

  /** An app with a commit to push, and whoever is told of its releases. */
  async function makeApp(name: string, settings: object = {}) {
    const { hephy } = open();
    const hook = await startWebhookReceiver();
    hooks.push(hook);
    const tree = await hephy.createApp(name, {
      ...amd64,
      publishIndex: true,
      hookUrl: hook.url,
      ...settings,
    });
    const { body } = await hephy.call('POST', `/v1/apps/${name}/hook-secret`);
    const { secret } = z.object({ secret: z.string() }).parse(body);
    return { tree, secret, sha: await tree.commit({ ...tiny, a: name }), hook };
  }

  test.concurrent(
    'the hook hears of a release after the tags have moved, signed, with the digest that the tag names',
    async () => {
      const { hephy, proxy } = open();
      const { tree, secret, sha, hook } = await makeApp('told');
      const pushing = push(tree);
      await hook.untilReceived(1);
      const tagged = proxy.requests.filter(
        ({ method, path }) => method === 'PUT' && /\/told\/manifests\/(git-|latest)/.test(path),
      );
      const pushed = await pushing;
      expect(pushed.stderr).toMatch(
        /-----> Publishing\n[^]*-----> Releasing told v1\n[^]*release hook answered 200\n/,
      );
      expect(tagged).toHaveLength(2);
      const [delivery] = hook.received;
      expect(delivery).toBeDefined();
      const { data } = Release.parse(
        new Webhook(secret).verify(delivery?.body ?? '', delivery?.headers ?? {}),
      );
      const named = await fetch(`http://${hephy.registry}/v2/told/manifests/latest`, {
        method: 'HEAD',
        headers: { accept: 'application/vnd.oci.image.index.v1+json' },
      });
      expect(data.digest).toBe(named.headers.get('docker-content-digest'));
      expect(data).toMatchObject({
        app: 'told',
        commit: sha,
        image: `${hephy.registry}/told@${data.digest}`,
        tags: [`git-${sha.slice(0, 8)}`, 'latest'],
        platforms: [{ platform: 'linux/amd64' }],
      });
    },
  );

  test.concurrent('a hook that fails for a moment is told again under the same id', async () => {
    const { tree, secret, hook } = await makeApp('twice');
    hook.script({ status: 500 }, 'reset');
    const { stderr, exitCode } = await push(tree);
    expect(stderr).toMatch(
      /release hook: published, but the release hook failed: .* answered 500; trying again \(attempt 2\)/,
    );
    expect(stderr).toContain('release hook answered 200\n');
    expect(exitCode).toBe(0);
    const tries = hook.received;
    expect(tries).toHaveLength(3);
    expect(new Set(tries.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
    for (const { body, headers } of tries) new Webhook(secret).verify(body, headers);
  });

  test.concurrent(
    'a hook that redirects is refused at once: the image stays, the push is told',
    async () => {
      const { hephy } = open();
      const { tree, sha, hook } = await makeApp('elsewhere');
      hook.script({ status: 307, headers: { location: 'http://169.254.169.254/' } });
      const { stderr, exitCode } = await push(tree);
      expect(stderr).toMatch(
        /! \[remote rejected\] main -> main \(published, but the release hook refused: .* redirects \(307\) to 169\.254\.169\.254; set the address that answers itself \(build 1\)\)/,
      );
      expect(exitCode).toBe(1);
      expect(hook.received).toHaveLength(1);
      expect(await hephy.readTag('elsewhere', `git-${sha.slice(0, 8)}`)).toBeDefined();
    },
  );

  test.concurrent(
    'a hook that stays down fails the build after its tries; the tag has moved, the ref has not',
    async () => {
      const { hephy } = open();
      const { tree, sha } = await makeApp('down', { hookUrl: 'http://127.0.0.1:1/hook' });
      const { stderr, exitCode } = await push(tree);
      expect(stderr).toMatch(
        /! \[remote rejected\] main -> main \(published, but the release hook failed: .*\(build 1\)\)/,
      );
      expect(exitCode).toBe(1);
      expect((await hephy.builds('down'))[0]).toMatchObject({
        state: 'failed',
        failure: { reason: 'HookFailed' },
      });
      expect(await hephy.readTag('down', 'latest')).toBe(
        await hephy.readTag('down', `git-${sha.slice(0, 8)}`),
      );
      expect(await remoteRefs(tree)).toBe('');
    },
    120_000,
  );
}
