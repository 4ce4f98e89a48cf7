import { mayUse, type App, type Right } from '@hephy/core';

export type GitCredentials =
  | { readonly scheme: 'basic'; readonly username: string; readonly password: string }
  | { readonly scheme: 'bearer'; readonly token: string };

export interface Pusher {
  readonly userId: string;
  readonly userName: string;
  readonly operator: boolean;
}

export type Authorization =
  | { readonly ok: true; readonly app: App; readonly pusher: Pusher }
  | { readonly ok: false; readonly status: 401 | 403 | 404; readonly message: string };

export interface AuthorizeDeps {
  readonly authenticate: (token: string) => Promise<Pusher | undefined>;
  readonly findApp: (name: string) => Promise<App | undefined>;
  readonly rightOf: (userId: string, appId: string) => Promise<Right | undefined>;
}

/** Who may read or push an app's repository. One rule for GET and POST, for both schemes, and for every transport. */
export async function authorize(
  request: {
    readonly appName: string;
    readonly operation: 'receive' | 'upload';
    readonly credentials: GitCredentials | undefined;
  },
  { authenticate, findApp, rightOf }: AuthorizeDeps,
): Promise<Authorization> {
  const { appName, credentials } = request;
  const token = credentials && tokenOf(credentials);
  const pusher = token ? await authenticate(token) : undefined;
  if (!pusher) return { ok: false, status: 401, message: 'a token is needed: run `hephy login`' };
  const app = await findApp(appName);
  if (!app) {
    const message = `there is no app ${appName}; create it with: hephy apps create ${appName}`;
    return { ok: false, status: 404, message };
  }
  const needed: Right = request.operation === 'receive' ? 'deployer' : 'reader';
  if (await holds({ pusher, app, needed }, { rightOf })) return { ok: true, app, pusher };
  const verb = request.operation === 'receive' ? 'push to' : 'read';
  const message = `${pusher.userName} may not ${verb} ${appName}; ask its owner for the ${needed} right`;
  return { ok: false, status: 403, message };
}

export async function holds(
  { pusher, app, needed }: { pusher: Pusher; app: App; needed: Right },
  { rightOf }: Pick<AuthorizeDeps, 'rightOf'>,
): Promise<boolean> {
  const { operator, userId } = pusher;
  const right = operator ? undefined : await rightOf(userId, app.id);
  return mayUse({ operator, right }, needed);
}

function tokenOf(credentials: GitCredentials): string {
  return credentials.scheme === 'basic' ? credentials.password : credentials.token;
}
