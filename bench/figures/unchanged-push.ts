import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runGitClient, type WorkTree } from '../../test/parts/git-client.ts';
import { median, milliseconds, timed, type Figure } from '../figure.ts';
import { startHttpBackend } from '../parts/http-backend.ts';
import { push, twoPlatformSettings, withService } from '../parts/service.ts';

const runs = 40;
const app = 'shop';

export const unchangedPush: Figure = {
  name: 'unchanged-push',
  about: 'a push that changes nothing (p50)',
  goal: 'ratio ≤ 1.25',
  measure: () =>
    withService({ fixedBuilder: { appName: app, buildSeconds: 0 } }, async (hephy) => {
      const tree = await hephy.createApp(app, twoPlatformSettings);
      await tree.commit({ Dockerfile: 'FROM scratch\n' });
      await push(tree);
      const root = join(hephy.data, 'git', 'repositories');
      const [repository = ''] = await readdir(root);
      const backend = await startHttpBackend({ root, username: 'ada', password: 'secret' });
      try {
        // The same repository, and credentials that git fetches in the same way.
        const credentials = join(hephy.folder, 'peer-credentials');
        await writeFile(credentials, `${backend.url.replace('://', '://ada:secret@')}\n`);
        await tree.git('remote', 'add', 'peer', `${backend.url}/${repository}`);
        await tree.git('config', '--add', 'credential.helper', `store --file=${credentials}`);
        const times = { deis: [] as number[], peer: [] as number[] };
        for (let number = 0; number <= runs; number += 1) {
          const order =
            number % 2 === 0 ? (['deis', 'peer'] as const) : (['peer', 'deis'] as const);
          for (const remote of order) {
            const time = await timed(() => pushNothing(tree, remote));
            if (number > 0) times[remote].push(time);
          }
        }
        const ratio = median(times.deis) / median(times.peer);
        return {
          measured: milliseconds(median(times.deis)),
          floor: `${milliseconds(median(times.peer))} (git http-backend)`,
          ratio,
          met: ratio <= 1.25,
          notes: [
            `${runs} pushes of each, in turns, on the same repository, both with credentials`,
          ],
        };
      } finally {
        await backend.close();
      }
    }),
};

async function pushNothing(tree: WorkTree, remote: string): Promise<void> {
  const { exitCode, stderr } = await runGitClient(['push', remote, 'main'], { cwd: tree.path });
  if (exitCode !== 0 || !stderr.includes('up-to-date')) throw new Error(`${remote}: ${stderr}`);
}
