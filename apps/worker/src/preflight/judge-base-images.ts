/** What a preflight makes of the base images of a Dockerfile, and of what their registries say. */
import { failureOf } from '@hephy/core';
import type { PreflightResult } from '@hephy/drivers';
import { formatPlatform, offersPlatform, type Platform } from '@hephy/oci';

/** A base image as one of the plan's platforms needs it. */
export interface WantedBase {
  /** As the Dockerfile names it: `debian:12`. */
  readonly name: string;
  readonly line: number;
  /** Of the plan. */
  readonly platform: string;
  /** That the base image has to be for. */
  readonly wanted: Platform;
  /** False: the builder's machine may know another image by that name. */
  readonly certain: boolean;
}

export type BaseAnswer =
  /** From there; without platforms, it does not say for which it is. */
  | { readonly kind: 'found'; readonly at: string; readonly platforms: readonly Platform[] }
  | { readonly kind: 'missing'; readonly at: string }
  | { readonly kind: 'unclear'; readonly why: string };

/** Of several that cannot be used, the first is told. `answers` by name. */
export function judgeBaseImages(
  bases: readonly WantedBase[],
  answers: ReadonlyMap<string, BaseAnswer>,
): PreflightResult {
  const warnings: string[] = [];
  for (const base of bases) {
    const answer = answers.get(base.name);
    const problem = answer && problemOf(base, answer);
    if (problem === undefined) continue;
    if (base.certain) {
      const { platform } = base;
      const detail = `${problem}${wayOut(bases, answers)}`;
      const failure = failureOf('BaseImageUnavailable', { platform, detail });
      return { ok: false, failure };
    }
    warnings.push(
      `${problem}; unless this machine has another image of that name, the build fails`,
    );
  }
  return { ok: true, warnings: [...warnings, ...unclearWarning(answers)] };
}

/** What the app could build instead: the platforms of the plan that all of its base images are for, as far as is known. */
function wayOut(bases: readonly WantedBase[], answers: ReadonlyMap<string, BaseAnswer>): string {
  const lacking = bases.filter((base) => {
    const answer = answers.get(base.name);
    return answer !== undefined && problemOf(base, answer) !== undefined;
  });
  const kept = new Set(bases.map(({ platform }) => platform));
  for (const { platform } of lacking) kept.delete(platform);
  return kept.size === 0 ? '' : `; without it: hephy apps set platforms=${[...kept].join(',')}`;
}

function problemOf({ name, line, wanted }: WantedBase, answer: BaseAnswer): string | undefined {
  switch (answer.kind) {
    case 'found': {
      const { at, platforms } = answer;
      if (platforms.length === 0 || offersPlatform(platforms, wanted)) return undefined;
      const offered = [...new Set(platforms.map(formatPlatform))].join(', ');
      return `${name} (line ${line}) in ${at} is for ${offered}, and not for ${formatPlatform(wanted)}`;
    }
    case 'missing':
      return `${name} (line ${line}) is not in ${answer.at}`;
    case 'unclear':
      return undefined;
  }
}

function unclearWarning(answers: ReadonlyMap<string, BaseAnswer>): string[] {
  const unclear = [...answers].flatMap(([name, answer]) =>
    answer.kind === 'unclear' ? [{ name, why: answer.why }] : [],
  );
  const [first] = unclear;
  if (!first) return [];
  const names = unclear.map(({ name }) => name).join(', ');
  return [`the platforms of ${names} could not be asked for (${first.why})`];
}
