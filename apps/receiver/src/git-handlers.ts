import type { App } from '@hephy/core';
import type {
  Authorization,
  CommandsRefusal,
  GitPolicy,
  HookHandlers,
  PreReceiveAnswer,
  PreReceivePush,
  ProcReceivePush,
  ReceiveCommand,
  RefAnswer,
  Repositories,
} from '@hephy/git';
import { authorize, type AuthorizeDeps, type Pusher } from './authorize.ts';
import { checkCommit } from './check-commit.ts';
import { deploy, type DeployDeps } from './deploy.ts';
import { pushesAtOnce } from './await-turn.ts';
import { deployApp, deployRefs, judgeRefs } from './refs-policy.ts';

/** What the policy learns of a push at its authorization, and every later step works with. */
export interface PushContext {
  readonly app: App;
  readonly pusher: Pusher;
}

export interface GitHandlersDeps extends AuthorizeDeps, DeployDeps {
  readonly repositories: Repositories;
  readonly maxPackBytes: number;
}

/** The product's answers to what the git transport and its hooks ask. */
export function createGitHandlers(deps: GitHandlersDeps): {
  policy: GitPolicy<PushContext>;
  hooks: HookHandlers<PushContext>;
} {
  return {
    policy: {
      authorize: (request) => authorizePush(request, deps),
      checkCommands: ({ context, commands }) =>
        Promise.resolve(checkCommands(context.app, commands)),
    },
    hooks: {
      preReceive: (push) => preReceive(push, deps),
      procReceive: (push) => procReceive(push, deps),
    },
  };
}

async function authorizePush(
  request: Parameters<GitPolicy<PushContext>['authorize']>[0],
  deps: GitHandlersDeps,
): Promise<Authorization<PushContext>> {
  const answer = await authorize(request, deps);
  if (!answer.ok) return answer;
  const { app, pusher } = answer;
  if (request.operation === 'receive') {
    const busy =
      app.settings.pushWhileBuilding === 'refuse' ? await deps.findLiveBuild(app.id) : undefined;
    if (busy) return { ok: false, error: busyText(app.name, busy.number) };
    // Else this push would begin at a ref that moves under it, and its own ref could not move after its release.
    await deps.catchUp(app.id);
  }
  return {
    ok: true,
    appId: app.id,
    deployRefs: deployRefs(deployApp(app)),
    atOnce: pushesAtOnce(app),
    maxInputBytes: deps.maxPackBytes,
    tooLarge: `this push is larger than ${deps.maxPackBytes / 1024 ** 2} MB; keep large files out of git, or let the operator raise HEPHY_MAX_PUSH_MB`,
    context: { app, pusher },
  };
}

function busyText(appName: string, number: number): string {
  return `Another git push is ongoing: build ${number} of ${appName} (watch it: hephy logs -f ${number} -a ${appName}; stop it: hephy cancel ${number} -a ${appName})`;
}

function checkCommands(app: App, commands: readonly ReceiveCommand[]): CommandsRefusal | undefined {
  const reasons = new Map<string, string>();
  const lines: string[] = [];
  for (const [ref, verdict] of judgeRefs(deployApp(app), commands)) {
    if (verdict.kind !== 'refuse') continue;
    reasons.set(ref, verdict.reason);
    lines.push(...verdict.lines);
  }
  return reasons.size > 0 ? { reasons, lines } : undefined;
}

async function preReceive(
  { context, commands, quarantine }: PreReceivePush<PushContext>,
  { repositories }: GitHandlersDeps,
): Promise<PreReceiveAnswer> {
  const { app } = context;
  const notes: string[] = [];
  for (const [ref, verdict] of judgeRefs(deployApp(app), commands)) {
    if (verdict.kind === 'store') notes.push(...verdict.note);
    const sha = commands.find((command) => command.ref === ref)?.newSha;
    if (verdict.kind !== 'deploy' || !sha) continue;
    const problems = await checkCommit({ app, sha, quarantine }, repositories);
    if (problems.length > 0)
      return { accept: false, lines: problems.map((text) => ` !     ${text}`) };
  }
  return { accept: true, notes };
}

/** Only deploy refs come here, and `checkCommands` lets one of them through at a time. */
async function procReceive(
  { context, commands, pushOptions, write, signal }: ProcReceivePush<PushContext>,
  deps: GitHandlersDeps,
): Promise<readonly RefAnswer[]> {
  const answers: RefAnswer[] = [];
  for (const command of commands) {
    answers.push(await deploy({ ...context, command, pushOptions, write, signal }, deps));
  }
  return answers;
}
