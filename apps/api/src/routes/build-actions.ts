import { createHash } from 'node:crypto';
import {
  deadlineOf,
  planBuild,
  workOf,
  type Build,
  type BuildRecord,
  type CancelRefusal,
} from '@hephy/core';
import { z } from 'zod';
import { BuildDetails, DeliveryView, viewDelivery, viewRecord } from '../build-views.ts';
import type { ApiDeps, User } from '../deps.ts';
import { Ulid } from '../fields.ts';
import type { Refusal } from '../problem.ts';
import { forBuild, noSuchBuild } from '../rights.ts';
import { route, type Answer, type Route } from '../route.ts';
import { BuildParams } from './builds.ts';

const CancelAsk = z
  .strictObject({
    reason: z
      .string()
      .max(200)
      .regex(/^[^\p{Cc}]*$/u, 'must be one line')
      .optional()
      .meta({ description: 'Shown to whoever follows the build.' }),
  })
  .nullish()
  .meta({ id: 'CancelAsk' });

const RebuildAccepted = z
  .object({ id: Ulid, app: z.string(), number: z.number().int() })
  .meta({ id: 'RebuildAccepted' });

const IdempotencyHeaders = z.looseObject({
  'idempotency-key': z
    .string()
    .min(1)
    .max(255)
    .optional()
    .meta({ description: 'Asked again under the same key, the same build answers.' }),
});

export function buildActionRoutes(deps: ApiDeps): Route[] {
  return [
    route({
      method: 'POST',
      url: '/v1/builds/:id/cancel',
      tag: 'builds',
      summary: 'Stop a build; it ends as canceled soon after',
      access: 'user',
      params: BuildParams,
      body: CancelAsk,
      answers: { 202: BuildDetails },
      refusals: ['BuildEnded', 'TooLateToCancel'],
      handle: forBuild('deployer', deps, ({ user, record, body }) =>
        cancel({ user, record, reason: body?.reason || `canceled by ${user.name}` }, deps),
      ),
    }),
    route({
      method: 'POST',
      url: '/v1/builds/:id/rebuild',
      tag: 'builds',
      summary: 'Build the same commit again, with the settings of now',
      access: 'user',
      params: BuildParams,
      headers: IdempotencyHeaders,
      answers: { 202: RebuildAccepted },
      refusals: ['AppBusy'],
      handle: forBuild('deployer', deps, ({ user, record, headers }) =>
        rebuild({ user, build: record.build, key: headers['idempotency-key'] }, deps),
      ),
    }),
    route({
      method: 'POST',
      url: '/v1/builds/:id/redeliver',
      tag: 'builds',
      summary: 'Call the release hook of an ended build again, under the same delivery id',
      access: 'user',
      params: BuildParams,
      answers: { 202: z.object({ deliveries: z.array(DeliveryView) }) },
      refusals: ['NothingToDeliver', 'AppBusy'],
      handle: forBuild('deployer', deps, ({ user, record }) => redeliver({ user, record }, deps)),
    }),
  ];
}

async function cancel(
  { user, record, reason }: { user: User; record: BuildRecord; reason: string },
  deps: ApiDeps,
): Promise<Answer> {
  const { build } = record;
  const by = user.name;
  const at = deps.now();
  const asked = await deps.records.requestCancel({ buildId: build.id, by, reason, at });
  if (!asked.ok) return cancelRefused(build, asked.why);
  await tell({ buildId: build.id, version: asked.version }, deps);
  // Made from what is known, not read again: what is recorded must not be answered with an error.
  const cancelRequest = build.cancelRequest ?? { at, by, reason, superseded: false };
  const body = viewRecord({ ...record, build: { ...build, state: 'canceling', cancelRequest } });
  return { status: 202, body };
}

function cancelRefused({ id, number, appName }: Build, why: CancelRefusal): Refusal {
  switch (why) {
    case 'NotFound':
      return noSuchBuild(id);
    case 'Ended':
      return { refused: 'BuildEnded', detail: `build ${number} of ${appName} has ended already` };
    case 'TooLate':
      return {
        refused: 'TooLateToCancel',
        detail: `build ${number} of ${appName} is being published, and goes on to its end`,
      };
  }
}

async function rebuild(
  { user, build, key }: { user: User; build: Build; key: unknown },
  deps: ApiDeps,
): Promise<Answer> {
  const app = await deps.apps.readApp(build.appId);
  if (!app) return { refused: 'NotFound', detail: `the app ${build.appName} was deleted` };
  const at = deps.now();
  const plan = planBuild({ app, sha: build.sha, registry: deps.registry });
  const id = deps.newId();
  const accepted = await deps.pushes.acceptPush({
    id,
    appId: app.id,
    userName: user.name,
    ref: build.ref,
    oldSha: null,
    newSha: build.sha,
    source: build.source,
    plan,
    deadlineAt: deadlineOf(plan, at),
    at,
    movesRef: false,
    ...(typeof key === 'string' && { requestKey: requestKeyOf([user.id, build.id, key]) }),
  });
  if (!accepted.ok) {
    const detail = `build ${accepted.runningNumber} of ${app.name} has not ended; wait for it, or cancel it`;
    return { refused: 'AppBusy', detail };
  }
  const { number, version, repeatedId } = accepted;
  const buildId = repeatedId ?? id;
  await tell({ buildId, version }, deps);
  return {
    status: 202,
    headers: { location: `/v1/builds/${buildId}` },
    body: { id: buildId, app: app.name, number },
  };
}

async function redeliver(
  { user, record }: { user: User; record: BuildRecord },
  deps: ApiDeps,
): Promise<Answer> {
  const { id: buildId } = record.build;
  const reopened = await deps.deliveries.reopenDelivery({ buildId, by: user.name, at: deps.now() });
  if (!reopened.ok) {
    return redeliveryRefused(record.build, reopened.why);
  }
  await tell({ buildId, version: reopened.version }, deps);
  const deliveries = workOf(record, 'delivery').map(viewDelivery);
  return { status: 202, body: { deliveries: deliveries.map(pendingAgain) } };
}

function redeliveryRefused(
  { number, appName }: Build,
  why: 'NoDelivery' | 'Busy' | 'NewerRelease',
): Refusal {
  switch (why) {
    case 'Busy':
      return {
        refused: 'AppBusy',
        detail: `another build of ${appName} has not ended; wait for it`,
      };
    case 'NoDelivery':
      return {
        refused: 'NothingToDeliver',
        detail: `build ${number} of ${appName} has not ended, or never had a release to deliver`,
      };
    case 'NewerRelease':
      return {
        refused: 'NothingToDeliver',
        detail: `${appName} has a newer release than that of build ${number}; delivering the older one would undo it`,
      };
  }
}

function pendingAgain(view: z.output<typeof DeliveryView>): z.output<typeof DeliveryView> {
  const ends = { startedAt: null, finishedAt: null, nextAttemptAt: null };
  return { ...view, ...ends, state: 'pending', attempt: 1, status: null, failure: null };
}

/** A user's key means something for one build only; another user's same key is another one. */
function requestKeyOf(parts: readonly [userId: string, buildId: string, key: string]): string {
  return createHash('sha256').update(parts.join('\n')).digest('hex');
}

/** Hurries what the record asks for by now. It comes about without this too, so that a failure here fails nothing. */
async function tell(
  ask: { buildId: string; version: number },
  { queue, signals, log }: Pick<ApiDeps, 'queue' | 'signals' | 'log'>,
): Promise<void> {
  const told = await Promise.allSettled([queue.askAdvance(ask), signals.notify(ask.buildId)]);
  for (const result of told) {
    if (result.status === 'rejected') {
      log.warn({ err: result.reason, buildId: ask.buildId }, 'the queue was not told of a build');
    }
  }
}
