/** Which refs a push may change, and what happens with each. Pure: the same for every transport. */
import type { App } from '@hephy/core';
import type { ReceiveCommand } from '@hephy/git';

const zeroSha = '0'.repeat(40);

/** Branches that an app's first push may choose from; the one it takes becomes the deploy branch. */
const firstPushBranches = ['main', 'master'];

export interface DeployApp {
  readonly name: string;
  readonly deployBranch: string | null;
}

export function deployApp({ name, settings }: App): DeployApp {
  return { name, deployBranch: settings.deployBranch };
}

export type RefVerdict =
  | { readonly kind: 'deploy' }
  | { readonly kind: 'store'; readonly note: readonly string[] }
  /** `reason` stands in git's `[remote rejected]` line. */
  | { readonly kind: 'refuse'; readonly reason: string; readonly lines: readonly string[] };

/** The full refs whose push is a deployment. */
export function deployRefs({ deployBranch }: DeployApp): string[] {
  return (deployBranch ? [deployBranch] : firstPushBranches).map((name) => `refs/heads/${name}`);
}

export function judgeRefs(
  app: DeployApp,
  commands: readonly ReceiveCommand[],
): ReadonlyMap<string, RefVerdict> {
  const deploying = commands.filter(({ ref }) => deployRefs(app).includes(ref));
  return new Map(
    commands.map((command) => [
      command.ref,
      deploying.length > 1 && deploying.includes(command)
        ? refuse('push one deploy branch at a time', [])
        : judgeRef(app, command),
    ]),
  );
}

function judgeRef(app: DeployApp, { ref, newSha }: ReceiveCommand): RefVerdict {
  const deletes = newSha === zeroSha;
  if (deployRefs(app).includes(ref)) {
    return deletes ? refuse('deletion prohibited', deletionLines(app)) : { kind: 'deploy' };
  }
  if (ref.startsWith('refs/tags/')) return { kind: 'store', note: [] };
  if (!ref.startsWith('refs/heads/')) {
    return refuse('only branches and tags are accepted', []);
  }
  return { kind: 'store', note: deletes ? [] : storedNote(app, ref.slice('refs/heads/'.length)) };
}

function storedNote(app: DeployApp, branch: string): string[] {
  const target = app.deployBranch ?? 'main';
  return [
    `-----> WARNING: ${branch} is stored, and not deployed: ${app.name} deploys ${target}`,
    `       To deploy it: git push deis ${branch}:${target}`,
  ];
}

function deletionLines(app: DeployApp): string[] {
  return [` !     ${app.name} deploys this branch; it cannot be deleted`];
}

function refuse(reason: string, lines: readonly string[]): RefVerdict {
  return { kind: 'refuse', reason, lines };
}
