import { access, constants } from 'node:fs/promises';
import path from 'node:path';
import { failureOf, type PlatformNodes } from '@hephy/core';
import type { PreflightInput, PreflightResult } from './driver.ts';

const architectures: Readonly<Record<string, string>> = {
  x64: 'amd64',
  ia32: '386',
  arm64: 'arm64',
  arm: 'arm',
  ppc64: 'ppc64le',
  s390x: 's390x',
  riscv64: 'riscv64',
};

/** The platform of this machine in OCI's words, from Node's `process.arch`. Source: Go's GOARCH. */
export function machinePlatformOf(nodeArchitecture: string): string {
  return `linux/${architectures[nodeArchitecture] ?? nodeArchitecture}`;
}

export interface Machine {
  readonly platform: string;
  /** Programs that have to be installed, first those whose absence says most. */
  readonly programs: readonly string[];
  readonly searchPath: string;
}

/** This machine as the one node that there is. */
export async function platformsOfMachine(machine: Machine): Promise<PlatformNodes[]> {
  const { platform } = machine;
  const answer = await checkMachine({ platforms: [platform], requireNativeNodes: true }, machine);
  const failure = answer.ok ? null : answer.failure;
  return [{ platform, nodes: 1, readyNodes: failure ? 0 : 1, failure }];
}

/** Whether this machine can build what is asked; it only looks, and starts nothing. */
export async function checkMachine(
  input: PreflightInput,
  machine: Machine,
): Promise<PreflightResult> {
  const foreign = input.platforms.filter((platform) => !isNative(platform, machine.platform));
  const [first] = foreign;
  if (first !== undefined && input.requireNativeNodes) {
    const detail = `this machine is ${machine.platform}`;
    return { ok: false, failure: failureOf('PlatformNotNative', { platform: first, detail }) };
  }
  const { programs, searchPath } = machine;
  const installed = await Promise.all(programs.map((program) => isInstalled(program, searchPath)));
  const missing = programs.find((_, place) => !installed[place]);
  if (missing !== undefined) {
    return {
      ok: false,
      failure: failureOf('BuilderMissing', { detail: `${missing} is not installed` }),
    };
  }
  return { ok: true, warnings: foreign.map(foreignWarning) };
}

function foreignWarning(platform: string): string {
  return `${platform} is not native here and nothing is emulated: RUN steps fail, COPY-only Dockerfiles work`;
}

/** The variant is left to the machine: an architecture runs its own older ones. */
function isNative(platform: string, machinePlatform: string): boolean {
  return familyOf(platform) === familyOf(machinePlatform);
}

function familyOf(platform: string): string {
  return platform.split('/').slice(0, 2).join('/');
}

async function isInstalled(program: string, searchPath: string): Promise<boolean> {
  const places = searchPath.split(path.delimiter).filter((folder) => folder !== '');
  const found = await Promise.all(
    places.map((folder) =>
      access(path.join(folder, program), constants.X_OK).then(
        () => true,
        () => false,
      ),
    ),
  );
  return found.includes(true);
}
