/** What an app may change about its repository. */
export interface RepositorySettings {
  /** Full names (`refs/heads/main`) whose pushes are answered by `handlers.procReceive`. */
  deployRefs: readonly string[];
  /** The largest pack that a push may send. */
  maxInputBytes: number;
}

/**
 * The whole `config` file of a repository; ours alone writes it. Hooks come from the system's folder,
 * never from the repository. A failed build leaves its objects: maintenance prunes, git's own gc is off.
 */
export function repositoryConfig(
  settings: RepositorySettings,
  system: { hooksPath: string; keepAliveSeconds: number },
): string {
  const lines = [
    '[core]',
    '\trepositoryformatversion = 0',
    '\tfilemode = true',
    '\tbare = true',
    '\tlogAllRefUpdates = true',
    `\thooksPath = ${quote(system.hooksPath)}`,
    '\tpackedGitWindowSize = 16m',
    '\tpackedGitLimit = 128m',
    // Larger files are streamed, never held whole: by git's own measure it would be those above 512 MiB.
    '\tbigFileThreshold = 16m',
    '[gc]',
    '\tauto = 0',
    '[transfer]',
    '\tfsckObjects = true',
    '\thideRefs = refs/',
    '\thideRefs = !refs/heads/',
    '\thideRefs = !refs/tags/',
    '[receive]',
    '\tfsckObjects = true',
    `\tmaxInputSize = ${settings.maxInputBytes}`,
    '\tadvertisePushOptions = true',
    '\tautogc = false',
    `\tkeepAlive = ${system.keepAliveSeconds}`,
    ...settings.deployRefs.map((ref) => `\tprocReceiveRefs = ${quote(ref)}`),
    '[uploadpack]',
    '\tallowFilter = false',
    '[pack]',
    '\tthreads = 1',
    '\twindowMemory = 64m',
    '',
  ];
  return lines.join('\n');
}

function quote(value: string): string {
  return `"${value.replaceAll('\\', '\\\\').replaceAll('"', String.raw`\"`)}"`;
}
