/**
 * Finds what a path names, and lets through who may use it. What somebody may not even read is answered exactly like
 * what does not exist.
 */
import { mayUse, type App, type BuildRecord, type Right } from '@hephy/core';
import type { ApiDeps, User } from './deps.ts';
import type { Refusal } from './problem.ts';
import type { Answer, Ask } from './route.ts';

type RightsDeps = Pick<ApiDeps, 'apps' | 'queries'>;

/** A handler for `/v1/apps/:app…`, given the app and the right that the user holds on it. */
export function forApp<P extends { app: string }, Q, B>(
  needed: Right,
  { apps }: RightsDeps,
  handle: (ask: Ask<P, Q, B> & { app: App; right: Right }) => Promise<Answer>,
): (ask: Ask<P, Q, B>) => Promise<Answer> {
  return async (ask) => {
    const app = await apps.findApp(ask.params.app);
    const missing = noSuchApp(ask.params.app);
    if (!app) return missing;
    const right = ask.user.operator ? 'owner' : await apps.rightOf(ask.user.id, app.id);
    if (!right) return missing;
    if (!holds(ask.user, right, needed)) return rightMissing(app.name, needed);
    return handle({ ...ask, app, right });
  };
}

/** A handler for `/v1/builds/:id…`, given the record of the build. */
export function forBuild<P extends { id: string }, Q, B>(
  needed: Right,
  { apps, queries }: RightsDeps,
  handle: (ask: Ask<P, Q, B> & { record: BuildRecord }) => Promise<Answer>,
): (ask: Ask<P, Q, B>) => Promise<Answer> {
  return async (ask) => {
    const { user, params } = ask;
    const record = await queries.readBuild(params.id.toUpperCase());
    const missing = noSuchBuild(params.id);
    if (!record) return missing;
    const { appId, appName } = record.build;
    const right = user.operator ? 'owner' : await apps.rightOf(user.id, appId);
    if (!right) return missing;
    if (!holds(user, right, needed)) return rightMissing(appName, needed);
    return handle({ ...ask, record });
  };
}

export function noSuchApp(name: string): Refusal {
  return {
    refused: 'NotFound',
    detail: `there is no app "${name}" that you may read; \`hephy apps\` lists those that you may`,
  };
}

export function noSuchBuild(id: string): Refusal {
  return {
    refused: 'NotFound',
    detail: `there is no build ${id} that you may read; \`hephy builds\` lists those that you may`,
  };
}

function holds({ operator }: User, right: Right, needed: Right): boolean {
  return mayUse({ operator, right }, needed);
}

function rightMissing(appName: string, needed: Right): Refusal {
  return {
    refused: 'Forbidden',
    detail: `this needs the right "${needed}" on ${appName}; an owner of the app can give it`,
  };
}
