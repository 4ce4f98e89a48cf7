/** Which images a Dockerfile needs from a registry, and for which platform: the FROM lines of the stages that are built. */
import { expandWord, type ValueOf } from './expand-word.ts';
import type { Instruction } from './read-instructions.ts';

/** In what our builders read the same Dockerfile differently. */
export interface DockerfileDialect {
  /** What `FROM --platform` and `BUILDPLATFORM` mean: a builder that passes over the flag takes every base for the platform built. */
  readonly fromPlatform: 'ignored' | { readonly machine: string };
  /** Whether `FROM debian` is Docker Hub's for certain, and no alias of the machine's. */
  readonly shortNamesAreHubs: boolean;
}

export interface DockerfileUse {
  /** Of the whole Dockerfile. */
  readonly instructions: readonly Instruction[];
  readonly target: string | null;
  readonly buildArgs: Readonly<Record<string, string>>;
  /** Canonical, such as `linux/arm64`. */
  readonly platform: string;
}

export interface BaseImage {
  /** With its variables resolved, otherwise as it is written: `debian:12`. */
  readonly name: string;
  /** As asked for; of `FROM --platform` it is what a user wrote. */
  readonly platform: string;
  readonly line: number;
}

export type BaseImages =
  | { readonly ok: true; readonly images: readonly BaseImage[] }
  /** No builder takes it; a sentence. */
  | { readonly ok: false; readonly problem: string };

/** What cannot be told for certain is left out: it is for the builder to find out. */
export function baseImagesOf(use: DockerfileUse, dialect: DockerfileDialect): BaseImages {
  const valueOf = globalArguments(use, dialect);
  const stages = readStages(use.instructions, valueOf);
  if (stages.length === 0) return refused('it has no FROM line');
  const target = targetOf(stages, use.target);
  if (target === undefined) {
    const named = stages.flatMap(({ name }) => name ?? []).join(', ') || 'none';
    return refused(`no stage is called ${use.target}, which the app's target asks for (${named})`);
  }
  const needed = neededStages(stages, target);
  const problem = needed.map(problemOf).find((found) => found !== undefined);
  if (problem !== undefined) return refused(problem);
  const images = needed.flatMap(({ base, baseStage, from, line }) => {
    const platform = platformOf(from, { platform: use.platform, valueOf, dialect });
    const isImage = base !== undefined && base !== 'scratch' && baseStage === undefined;
    return isImage && platform ? [{ name: base, platform, line }] : [];
  });
  return { ok: true, images };
}

function refused(problem: string): BaseImages {
  return { ok: false, problem };
}

/** Only of a stage that is needed: some builders never look at another one. */
function problemOf({ from, base, line }: Stage): string | undefined {
  if (!fromLine.test(from.text)) return `line ${line}: write FROM image, or FROM image AS name`;
  if (base !== '') return undefined;
  return `line ${line}: FROM ${from.text} names no image; give its build argument a value`;
}

const fromLine = /^(\S+)(?:\s+AS\s+(\S+))?$/i;

interface Stage {
  readonly from: Instruction;
  readonly line: number;
  /** In small letters, as stages are looked up. */
  readonly name: string | undefined;
  /** Undefined: it cannot be told. */
  readonly base: string | undefined;
  /** The stage that it begins with. */
  readonly baseStage: number | undefined;
  /** What `COPY --from` says in it. */
  readonly copied: string[];
}

function readStages(instructions: readonly Instruction[], valueOf: ValueOf): Stage[] {
  const stages: Stage[] = [];
  const named = new Map<string, number>();
  for (const instruction of instructions) {
    const { name, flags, text, line } = instruction;
    const copied = name === 'COPY' && flags.get('from');
    if (copied) stages.at(-1)?.copied.push(copied.toLowerCase());
    if (name !== 'FROM') continue;
    const [, word, given] = fromLine.exec(text) ?? [];
    const base = word === undefined ? undefined : expandWord(word, valueOf);
    const baseStage = base === undefined ? undefined : named.get(base.toLowerCase());
    const stage = given?.toLowerCase();
    if (stage !== undefined && !named.has(stage)) named.set(stage, stages.length);
    stages.push({ from: instruction, line, name: stage, base, baseStage, copied: [] });
  }
  return stages;
}

function targetOf(stages: readonly Stage[], target: string | null): number | undefined {
  if (target === null) return stages.length - 1;
  const named = stages.findIndex(({ name }) => name === target.toLowerCase());
  if (named >= 0) return named;
  return Number(target) < stages.length ? Number(target) : undefined;
}

/** The target, and what it begins with or copies from, and so on. */
function neededStages(stages: readonly Stage[], target: number): Stage[] {
  const places = new Map<string, number>();
  for (const [at, { name }] of stages.entries()) {
    for (const key of [name, String(at)]) {
      if (key !== undefined && !places.has(key)) places.set(key, at);
    }
  }
  const needed = new Set([target]);
  for (const at of needed) {
    const stage = stages[at];
    const copied = stage?.copied.map((from) => places.get(from)) ?? [];
    for (const found of [stage?.baseStage, ...copied]) {
      if (found !== undefined && found < at) needed.add(found);
    }
  }
  return stages.filter((_, at) => needed.has(at));
}

function platformOf(
  { flags }: Instruction,
  of: { platform: string; valueOf: ValueOf; dialect: DockerfileDialect },
): string | undefined {
  const asked = flags.get('platform');
  if (asked === undefined || of.dialect.fromPlatform === 'ignored') return of.platform;
  return expandWord(asked, of.valueOf);
}

/** The arguments before the first FROM, and those that every builder sets by itself. */
function globalArguments(
  { instructions, buildArgs, platform }: DockerfileUse,
  { fromPlatform }: DockerfileDialect,
): ValueOf {
  const values = new Map<string, string | undefined | null>([
    ...platformArguments('TARGET', platform),
    ...platformArguments('BUILD', fromPlatform === 'ignored' ? platform : fromPlatform.machine),
  ]);
  const valueOf: ValueOf = (name) =>
    // Only some builders take one that the Dockerfile does not declare.
    values.has(name) || !(name in buildArgs) ? values.get(name) : null;
  const first = instructions.findIndex(({ name }) => name === 'FROM');
  const declared = instructions.slice(0, first).filter(({ name }) => name === 'ARG');
  for (const word of declared.flatMap(({ text }) => text.split(/\s+/))) {
    const equals = word.indexOf('=');
    const name = equals < 0 ? word : word.slice(0, equals);
    const given = buildArgs[name];
    const fallback = equals < 0 ? values.get(name) : expandWord(word.slice(equals + 1), valueOf);
    const isUnclear = equals >= 0 && fallback === undefined;
    // An empty one takes the place of the default for some builders, and not for others.
    values.set(name, given || (given === '' || isUnclear ? null : fallback));
  }
  return valueOf;
}

function platformArguments(prefix: string, platform: string): [string, string][] {
  const [os = '', architecture = '', variant = ''] = platform.split('/');
  const parts = { PLATFORM: platform, OS: os, ARCH: architecture, VARIANT: variant };
  return Object.entries(parts).map(([part, value]) => [`${prefix}${part}`, value]);
}
