import { AppName, AppSettings, Right, type App } from '@hephy/core';
import { newHookSecret } from '@hephy/release';
import { z } from 'zod';
import { changeSettings, SettingsPatch } from '../app-settings.ts';
import type { ApiDeps, User } from '../deps.ts';
import { Time, timeText } from '../fields.ts';
import { AppParams, Limit, pageOf } from '../pages.ts';
import { forApp, noSuchApp } from '../rights.ts';
import { Nothing, route, type Answer, type Ask, type Route } from '../route.ts';
import { availablePlatforms } from './platforms.ts';

const Settings = AppSettings.meta({ id: 'AppSettings' });

const AppView = z
  .object({ name: z.string(), createdAt: Time, settings: Settings })
  .meta({ id: 'App' });

const AppDetails = AppView.extend({
  right: Right.meta({ description: 'What you may do with it.' }),
}).meta({ id: 'AppDetails' });

const NewApp = z.strictObject({ name: AppName, settings: SettingsPatch.optional() });
const AppPatch = z.strictObject({ settings: SettingsPatch });
const AppsQuery = z.object({
  cursor: AppName.optional().meta({ description: '`nextCursor` of the page before.' }),
  limit: Limit,
});

const HookSecret = z
  .object({
    secret: z
      .string()
      .meta({ description: 'Shown this once. Source of the form: Standard Webhooks.' }),
  })
  .meta({ id: 'HookSecret' });

export function appRoutes(deps: ApiDeps): Route[] {
  return [...collectionRoutes(deps), ...oneAppRoutes(deps), hookSecretRoute(deps)];
}

function collectionRoutes(deps: ApiDeps): Route[] {
  return [
    route({
      method: 'GET',
      url: '/v1/apps',
      tag: 'apps',
      summary: 'The apps that you may read, by name',
      access: 'user',
      query: AppsQuery,
      answers: {
        200: z.object({ apps: z.array(AppView), nextCursor: z.string().nullable() }),
      },
      handle: (ask) => listApps(ask, deps),
    }),
    route({
      method: 'POST',
      url: '/v1/apps',
      tag: 'apps',
      summary:
        'Make an app, for all that can be built for unless it says otherwise; you are its owner',
      access: 'user',
      body: NewApp,
      answers: { 201: AppDetails },
      refusals: ['NameTaken'],
      handle: (ask) => createApp(ask, deps),
    }),
  ];
}

function oneAppRoutes(deps: ApiDeps): Route[] {
  const { apps, now } = deps;
  return [
    route({
      method: 'GET',
      url: '/v1/apps/:app',
      tag: 'apps',
      summary: 'One app, with its settings and your right',
      access: 'user',
      params: AppParams,
      answers: { 200: AppDetails },
      handle: forApp('reader', deps, async ({ app, right }) => ({
        status: 200,
        body: { ...viewApp(app), right },
      })),
    }),
    route({
      method: 'PATCH',
      url: '/v1/apps/:app',
      tag: 'apps',
      summary: 'Change settings; those left out stay as they are',
      access: 'user',
      params: AppParams,
      body: AppPatch,
      answers: { 200: AppDetails },
      handle: forApp('owner', deps, async ({ app, right, body }) => {
        const changed = changeSettings(app.settings, body.settings);
        if ('refused' in changed) return changed;
        const { settings } = changed;
        const found = await apps.updateSettings(app.id, settings);
        if (!found) return noSuchApp(app.name);
        return { status: 200, body: { ...viewApp({ ...app, settings }), right } };
      }),
    }),
    route({
      method: 'DELETE',
      url: '/v1/apps/:app',
      tag: 'apps',
      summary: 'Delete an app; its builds stay in the record, its images in the registry',
      access: 'user',
      params: AppParams,
      answers: { 204: Nothing },
      refusals: ['AppBusy'],
      handle: forApp('owner', deps, async ({ app }) => {
        const deleted = await apps.deleteApp(app.id, now());
        if (deleted.ok) return { status: 204 };
        return deleted.why === 'NotFound' ? noSuchApp(app.name) : appBusy(app.name);
      }),
    }),
  ];
}

function hookSecretRoute(deps: ApiDeps): Route {
  const { apps } = deps;
  return route({
    method: 'POST',
    url: '/v1/apps/:app/hook-secret',
    tag: 'apps',
    summary: 'Make a new secret that signs the release hook; the answer alone shows it',
    access: 'user',
    params: AppParams,
    answers: { 201: HookSecret },
    handle: forApp('owner', deps, async ({ app }) => {
      const secret = newHookSecret(deps.randomBytes);
      const found = await apps.setHookSecret(app.id, secret);
      return found ? { status: 201, body: { secret } } : noSuchApp(app.name);
    }),
  });
}

function viewApp({ name, createdAt, settings }: App): z.output<typeof AppView> {
  return { name, createdAt: timeText(createdAt), settings };
}

async function listApps(
  { user, query }: { user: User; query: z.output<typeof AppsQuery> },
  { apps }: ApiDeps,
): Promise<Answer> {
  const found = await apps.listApps({
    limit: query.limit,
    ...(query.cursor !== undefined && { after: query.cursor }),
    ...(!user.operator && { memberId: user.id }),
  });
  const { nextCursor, headers } = pageOf('/v1/apps', {
    query,
    size: found.length,
    last: found.at(-1)?.name,
  });
  return { status: 200, headers, body: { apps: found.map(viewApp), nextCursor } };
}

async function createApp(
  { user, body }: Ask<unknown, unknown, z.output<typeof NewApp>>,
  { apps, platforms, newId, now, defaultPlatforms }: ApiDeps,
): Promise<Answer> {
  const available = availablePlatforms(await platforms.readPlatforms());
  const defaults = { platforms: available.length > 0 ? available : defaultPlatforms };
  const changed = changeSettings(AppSettings.parse(defaults), body.settings ?? {});
  if ('refused' in changed) return changed;
  const app: App = { id: newId(), name: body.name, settings: changed.settings, createdAt: now() };
  const created = await apps.createApp(app);
  if (!created.ok) {
    return { refused: 'NameTaken', detail: `the name "${app.name}" is taken; choose another one` };
  }
  await apps.grant({ appId: app.id, userId: user.id, right: 'owner' });
  return {
    status: 201,
    headers: { location: `/v1/apps/${app.name}` },
    body: { ...viewApp(app), right: 'owner' },
  };
}

function appBusy(name: string): Answer {
  return {
    refused: 'AppBusy',
    detail: `a build of ${name} has not ended; cancel it or wait for it, then delete the app`,
  };
}
