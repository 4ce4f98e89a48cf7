/** Settings as a request brings them: each one may be left out, and platforms come in any spelling. */
import { AppSettings, optionProblems } from '@hephy/core';
import { parsePlatformList } from '@hephy/oci';
import { z } from 'zod';
import type { Refusal } from './problem.ts';

type Shape = typeof AppSettings.shape;
type PatchShape = { [Key in keyof Shape]: z.ZodOptional<ReturnType<Shape[Key]['unwrap']>> };

/** Without the defaults of a new app: what a change leaves out stays as it is. */
export const SettingsPatch = z
  .strictObject(
    Object.fromEntries(
      Object.entries(AppSettings.shape).map(([key, field]) => [key, field.unwrap().optional()]),
    ) as PatchShape,
  )
  .meta({ id: 'SettingsPatch' });

/** The settings after the change, with canonical platforms; or what is wrong with them. */
export function changeSettings(
  current: AppSettings,
  patch: z.output<typeof SettingsPatch>,
): { readonly ok: true; readonly settings: AppSettings } | Refusal {
  const settings: AppSettings = { ...current, ...withoutUndefined(patch) };
  const { hookUrl } = settings;
  if (hookUrl !== null && holdsCredentials(hookUrl)) {
    return invalid('/settings/hookUrl', [
      'a hook address holds no user name and no password; the hook is signed instead',
    ]);
  }
  const parsed = parsePlatformList(settings.platforms);
  if (!parsed.ok) return invalid('/settings/platforms', parsed.problems);
  const [problem] = optionProblems(settings);
  if (problem) return invalid(`/settings/${problem.option}`, [problem.message]);
  return { ok: true, settings: { ...settings, platforms: parsed.platforms } };
}

/** With `exactOptionalPropertyTypes`, what may be left out is never undefined. */
function withoutUndefined(patch: z.output<typeof SettingsPatch>): Partial<AppSettings> {
  return Object.fromEntries(Object.entries(patch).filter(([, value]) => value !== undefined));
}

function holdsCredentials(url: string): boolean {
  const { username, password } = new URL(url);
  return username !== '' || password !== '';
}

function invalid(pointer: string, messages: readonly string[]): Refusal {
  return {
    refused: 'InvalidRequest',
    detail: messages.join('; '),
    errors: messages.map((message) => ({ pointer, message })),
  };
}
