/** Which platforms an app could be built for: the nodes that there are, and the platforms that its base images are for. */
import {
  describeFailure,
  type AppSettings,
  type PlatformNodes,
  type SeenPlatforms,
} from '@hephy/core';
import { formatPlatform, offersPlatform, parsePlatform, type Platform } from '@hephy/oci';

export interface SuggestionInput {
  readonly settings: Pick<AppSettings, 'platforms' | 'requireNativeNodes' | 'waitForNodesSeconds'>;
  /** Undefined: no worker has looked yet. */
  readonly seen: SeenPlatforms | undefined;
  /** As in the result of a `Preflight`; undefined: no build has found it out. */
  readonly basePlatforms: readonly string[] | null | undefined;
}

export interface PlatformSuggestion {
  /** Canonical. */
  readonly platform: string;
  readonly inSettings: boolean;
  /** Those that build it now; null while no worker has looked. */
  readonly readyNodes: number | null;
  /** Whether every base image is for it; null where that is not known. */
  readonly inBase: boolean | null;
  readonly suggested: boolean;
  /** A sentence without its full stop. */
  readonly why: string;
}

/**
 * Of every platform that the app has, then of those that nodes are of, then of those that its base images are for.
 * Suggested is what has a ready node, or may do without one, and is in the base; where the base is not known, what the
 * app has already.
 */
export function suggestPlatforms(input: SuggestionInput): PlatformSuggestion[] {
  const bases = input.basePlatforms?.flatMap(parsed);
  return candidates(input).map((wanted) => {
    const platform = formatPlatform(wanted);
    const inSettings = input.settings.platforms.includes(platform);
    const nodes = judgeNodes({ platform, inSettings }, input);
    const inBase = bases ? offersPlatform(bases, wanted) : null;
    return {
      platform,
      inSettings,
      readyNodes: input.seen ? nodes.ready : null,
      inBase,
      suggested: nodes.enough && (inBase ?? inSettings),
      why: `${nodes.why}; ${baseSentence(inBase, input.basePlatforms)}`,
    };
  });
}

/** A node says nothing of a variant: where the app has one of its architecture, the node is no platform of its own. */
function candidates({ settings, seen, basePlatforms }: SuggestionInput): Platform[] {
  const own = settings.platforms.flatMap(parsed);
  const add = (to: readonly Platform[], names: readonly string[]): Platform[] => {
    const known = new Set(to.map(familyOf));
    return [...to, ...names.flatMap(parsed).filter((platform) => !known.has(familyOf(platform)))];
  };
  const withNodes = add(own, seen?.platforms.map(({ platform }) => platform) ?? []);
  return add(withNodes, basePlatforms ?? []);
}

function judgeNodes(
  { platform, inSettings }: Pick<PlatformSuggestion, 'platform' | 'inSettings'>,
  { settings, seen }: SuggestionInput,
): { ready: number; enough: boolean; why: string } {
  if (!seen) return { ready: 0, enough: inSettings, why: 'no worker has looked for nodes yet' };
  const family = parsed(platform).map(familyOf)[0];
  const nodes = seen.platforms.find((one) => one.platform === family);
  if (nodes && !nodes.failure) {
    const { readyNodes: ready } = nodes;
    return { ready, enough: true, why: ready === 1 ? '1 ready node' : `${ready} ready nodes` };
  }
  const trouble = troubleOf(nodes) ?? `no node is ${family}`;
  if (inSettings && settings.waitForNodesSeconds > 0) {
    return { ready: 0, enough: true, why: `${trouble}, but the app's builds wait for one` };
  }
  if (inSettings && !settings.requireNativeNodes) {
    return { ready: 0, enough: true, why: `${trouble}, but the app may be built without one` };
  }
  return { ready: 0, enough: false, why: trouble };
}

function troubleOf(nodes: PlatformNodes | undefined): string | undefined {
  return nodes?.failure ? describeFailure(nodes.failure) : undefined;
}

function baseSentence(
  inBase: boolean | null,
  basePlatforms: SuggestionInput['basePlatforms'],
): string {
  if (inBase !== null) return `the base images are ${inBase ? '' : 'not '}for it`;
  return basePlatforms === null
    ? 'its Dockerfile begins with nothing that says for which platforms it is'
    : 'no build has told yet for which platforms the base images are';
}

function parsed(name: string): Platform[] {
  const answer = parsePlatform(name);
  return answer.ok ? [answer.platform] : [];
}

function familyOf({ os, architecture }: Platform): string {
  return `${os}/${architecture}`;
}
