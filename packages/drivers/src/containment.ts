/**
 * A builder runs in process and mount namespaces of its own where the machine lets it: then no process of it outlives it,
 * however hard it tries, its mounts vanish with it, and it sees nobody else's processes and files.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { builderScript } from './builder-script.ts';
import { isMissing } from './errors.ts';

const processes = ['--pid', '--fork', '--kill-child=KILL', '--mount-proc'] as const;

export interface Containment {
  /** False: a step of a Dockerfile can do all that the user of this process can. Build only for those you trust with it. */
  readonly contained: boolean;
  /** The words before a command line that run it contained, where it finds these paths and no other of ours. */
  wrap(paths: { readonly read: readonly string[]; readonly write: readonly string[] }): string[];
  /** The words that give it the users of the builder, and all files. */
  readonly asBuilder: readonly string[];
}

/** Finds the best containment that this machine allows, by trying. `hull` is a directory for nothing else. */
export async function findContainment(
  hull: string,
  environment: Readonly<Record<string, string>>,
): Promise<Containment> {
  await mkdir(hull, { recursive: true, mode: 0o700 });
  for (const words of candidates(process.getuid?.() ?? 0, process.getgid?.() ?? 0)) {
    const containment: Containment = {
      contained: true,
      wrap: ({ read, write }) => [
        ...words,
        'bash',
        builderScript,
        'enclose',
        hull,
        builderScript,
        ...read,
        '--',
        ...write,
        '--',
      ],
      asBuilder: words,
    };
    const trial = [...containment.wrap({ read: [], write: [] }), 'true'];
    if (await succeeds(trial, environment)) return containment;
  }
  // A rootless builder makes itself such a namespace of users.
  const asBuilder = ['unshare', '--user', '--map-root-user', '--map-auto', '--'];
  const hasUsers =
    process.getuid?.() !== 0 && (await succeeds([...asBuilder, 'true'], environment));
  return { contained: false, wrap: () => [], asBuilder: hasUsers ? asBuilder : [] };
}

/** Best first. */
function candidates(userId: number, groupId: number): string[][] {
  if (userId === 0) return [['unshare', ...processes, '--']];
  // How containers/storage is told that it is in a user namespace already.
  const told = [
    'env',
    '_CONTAINERS_USERNS_CONFIGURED=done',
    `_CONTAINERS_ROOTLESS_UID=${userId}`,
    `_CONTAINERS_ROOTLESS_GID=${groupId}`,
  ];
  const asRoot = ['unshare', '--user', '--map-root-user'];
  return [
    [...asRoot, '--map-auto', ...processes, '--', ...told],
    [...asRoot, ...processes, '--', ...told],
  ];
}

async function succeeds(
  [program = '', ...rest]: readonly string[],
  environment: Readonly<Record<string, string>>,
): Promise<boolean> {
  const child = spawn(program, rest, { env: environment, stdio: 'ignore', timeout: 5_000 });
  try {
    const [code] = (await once(child, 'close')) as [number | null];
    return code === 0;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}
