/**
 * A builder runs in process and mount namespaces of its own where the machine lets it: then no process of it outlives it,
 * however hard it tries, its mounts vanish with it, and it sees nobody else's processes and files.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { builderScript } from './builder-script.ts';
import { isMissing } from './errors.ts';
import { prepareHull } from './hull.ts';

const processes = ['--pid', '--fork', '--kill-child=KILL', '--mount-proc'] as const;

export interface Containment {
  /** False: a step of a Dockerfile can do all that the user of this process can. Build only for those you trust with it. */
  readonly contained: boolean;
  /** The words before a command line that run it contained, where it may write to these directories. Needs a new file. */
  wrap(input: { readonly table: string; readonly write: readonly string[] }): Promise<string[]>;
  /** The words that give it the users of the builder, and all files. */
  readonly asBuilder: readonly string[];
}

export interface ContainmentOptions {
  /** Of all builders. */
  readonly directory: string;
  /** Directories that builders read, beside the machine's programs. */
  readonly read: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

/** Finds the best containment that this machine allows, by trying. */
export async function findContainment(options: ContainmentOptions): Promise<Containment> {
  const { environment } = options;
  const isRoot = process.getuid?.() === 0;
  const directory = path.join(options.directory, '.hull');
  const hull = await prepareHull(directory, {
    read: [path.dirname(builderScript), ...options.read],
    // Where a user namespace may not take apart what lies mounted below /proc and /sys, it comes along.
    bind: isRoot ? 'bind' : 'rbind',
  });
  for (const words of candidates(process.getuid?.() ?? 0, process.getgid?.() ?? 0)) {
    const containment: Containment = {
      contained: true,
      async wrap({ table, write }) {
        await writeFile(table, hull.table(write));
        return [...words, 'bash', builderScript, 'enclose', hull.root, table];
      },
      asBuilder: words,
    };
    const folder = await mkdtemp(path.join(directory, 'trial-'));
    const table = path.join(folder, 'mounts');
    const trial = [...(await containment.wrap({ table, write: [] })), 'true'];
    const isPossible = await succeeds(trial, environment);
    await rm(folder, { recursive: true });
    if (isPossible) return containment;
  }
  // A rootless builder makes itself such a namespace of users.
  const asBuilder = ['unshare', '--user', '--map-root-user', '--map-auto', '--'];
  const hasUsers = !isRoot && (await succeeds([...asBuilder, 'true'], environment));
  return { contained: false, wrap: async () => [], asBuilder: hasUsers ? asBuilder : [] };
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
