import { Right } from '@hephy/core';
import { z } from 'zod';
import type { ApiDeps } from '../deps.ts';
import { UserName } from '../fields.ts';
import { AppParams } from '../pages.ts';
import type { Refusal } from '../problem.ts';
import { forApp } from '../rights.ts';
import { Nothing, route, type Route } from '../route.ts';

const MemberParams = AppParams.extend({ user: UserName });
const MemberView = z.object({ user: z.string(), right: Right }).meta({ id: 'Member' });

export function memberRoutes(deps: ApiDeps): Route[] {
  const { apps, users } = deps;
  return [
    route({
      method: 'GET',
      url: '/v1/apps/:app/members',
      tag: 'apps',
      summary: 'Who may do what with the app',
      access: 'user',
      params: AppParams,
      answers: { 200: z.object({ members: z.array(MemberView) }) },
      handle: forApp('reader', deps, async ({ app }) => {
        const members = await apps.listMembers(app.id);
        const views = members.map(({ userName, right }) => ({ user: userName, right }));
        return { status: 200, body: { members: views } };
      }),
    }),
    route({
      method: 'PUT',
      url: '/v1/apps/:app/members/:user',
      tag: 'apps',
      summary: 'Give a user a right on the app, instead of the one held before',
      access: 'user',
      params: MemberParams,
      body: z.strictObject({ right: Right }),
      answers: { 200: MemberView },
      handle: forApp('owner', deps, async ({ app, params, body }) => {
        const member = await users.findUser(params.user);
        if (!member) return noSuchUser(params.user);
        const { right } = body;
        await apps.grant({ appId: app.id, userId: member.id, right });
        return { status: 200, body: { user: member.name, right } };
      }),
    }),
    route({
      method: 'DELETE',
      url: '/v1/apps/:app/members/:user',
      tag: 'apps',
      summary: 'Take a user every right on the app',
      access: 'user',
      params: MemberParams,
      answers: { 204: Nothing },
      handle: forApp('owner', deps, async ({ app, params }) => {
        const member = await users.findUser(params.user);
        const revoked = member && (await apps.revoke({ appId: app.id, userId: member.id }));
        return revoked ? { status: 204 } : noSuchUser(params.user);
      }),
    }),
  ];
}

function noSuchUser(name: string): Refusal {
  return { refused: 'NotFound', detail: `there is no user "${name}" here` };
}
