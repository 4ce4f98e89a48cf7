import { failureOf } from '@hephy/core';
import type { PreflightResult } from '@hephy/drivers';
import { RegistryFailure, type RegistryClient } from '@hephy/registry';
import type { PreflightCheck } from './preflight-check.ts';

/** Whether builders may push to the repositories of the plan. `connect` logs in as they do. */
export function createPushRightCheck(connect: () => RegistryClient): PreflightCheck {
  return async ({ plan }, signal) => {
    const client = connect();
    const names = new Set(plan.images.map(({ repository }) => repository));
    try {
      const answers = await Promise.all([...names].map((name) => tryOne(name, { client, signal })));
      const warnings = answers.flatMap((answer) => (answer.ok ? answer.warnings : []));
      return answers.find(({ ok }) => !ok) ?? { ok: true, warnings };
    } finally {
      await client.close();
    }
  };
}

async function tryOne(
  name: string,
  { client, signal }: { client: RegistryClient; signal: AbortSignal },
): Promise<PreflightResult> {
  try {
    // What stands before the first slash is the registry.
    await client.tryPush(name.slice(name.indexOf('/') + 1), { signal });
    return { ok: true, warnings: [] };
  } catch (error) {
    if (!(error instanceof RegistryFailure) && !signal.aborted) throw error;
    const failure = error instanceof RegistryFailure ? error : undefined;
    const why = failure?.message ?? 'no answer in time';
    const reason = refusals.find((one) => one === failure?.reason && !failure.temporary);
    if (reason) return { ok: false, failure: failureOf(reason, { detail: `builders: ${why}` }) };
    return { ok: true, warnings: [`the right to push to ${name} could not be tried (${why})`] };
  }
}

const refusals = ['RegistryUnauthorized', 'PushDenied'] as const;
