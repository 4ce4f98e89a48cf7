/**
 * What executors printed last when they failed, each with where it was told: an issue, a file of kaniko's source, or a
 * library that was made to fail. Names are shortened, and the words are those of 1.27.5 where they changed since.
 */
import type { Failure } from '@hephy/core';

export type RecordedLog = readonly [
  origin: string,
  log: string,
  expected: {
    readonly reason: Failure['reason'];
    readonly exitCode?: number;
    readonly detail?: string | RegExp;
  },
];

const kaniko = 'GoogleContainerTools/kaniko';
const oss = 'osscontainertools/kaniko';

/** A line of the executor's own, as `--log-format=text` has it. */
export const said = (message: string, level = 'info'): string =>
  `time="2026-05-20T10:00:00Z" level=${level} msg=${JSON.stringify(message)}`;
export const build = 'error building image: ';
export const step = `${build}error building stage: failed to execute command: `;

export const stepLogs: readonly RecordedLog[] = [
  [
    `${kaniko}#1649`,
    [
      said('RUN exit 123'),
      said('Running: [/bin/sh -c exit 123]'),
      `${step}waiting for process to exit: exit status 123`,
    ].join('\n'),
    { reason: 'BuildFailed', exitCode: 123, detail: 'RUN exit 123' },
  ],
  [
    `${kaniko}#1733`,
    `${step}waiting for process to exit: exit status 21`,
    { reason: 'BuildFailed', exitCode: 21 },
  ],
  [
    `${kaniko}#1827`,
    `error: Error -1 running transaction\n${step}waiting for process to exit: exit status 1`,
    { reason: 'BuildFailed', exitCode: 1 },
  ],
  [
    'SAP/jenkins-library#2944',
    `${said('RUN mvn package')}\n[INFO] --- maven-clean-plugin\n${step}waiting for process to exit: exit status 1\n`,
    { reason: 'BuildFailed', exitCode: 1, detail: 'RUN mvn package' },
  ],
  [
    `${oss}: pkg/commands/run.go, a heredoc`,
    `${said('RUN <<EOF\nset -e\n"false"\nEOF')}\n${step}waiting for process to exit: exit status 1`,
    { reason: 'BuildFailed', exitCode: 1, detail: 'RUN <<EOF set -e "false" EOF' },
  ],
  [
    'GoogleContainerTools/skaffold#3928',
    `${said('RUN npm install')}\n${step}waiting for process to exit: exit status 137`,
    { reason: 'BuildFailed', exitCode: 137, detail: 'RUN npm install' },
  ],
  [
    'os/exec, a step that was killed',
    `${said('RUN make')}\n${step}waiting for process to exit: signal: killed`,
    {
      reason: 'BuildFailed',
      exitCode: 137,
      detail: 'RUN make was ended by the signal "killed", as happens when memory runs out',
    },
  ],
  [
    'os/exec, a step that crashed',
    `${step}waiting for process to exit: signal: segmentation fault (core dumped)`,
    {
      reason: 'BuildFailed',
      exitCode: 139,
      detail: 'a step was ended by the signal "segmentation fault"',
    },
  ],
  [
    `${kaniko}#2024`,
    `${said('RUN apt-get update')}\n${step}starting command: fork/exec /bin/sh: exec format error`,
    {
      reason: 'BuildFailed',
      detail: /^RUN apt-get update: .*exec format error \(the program is of another architecture/,
    },
  ],
  [
    `${kaniko}#3183`,
    `${step}starting command: fork/exec /bin/sh: exec format error`,
    { reason: 'BuildFailed' },
  ],
  [
    `${kaniko}#1421`,
    `${step}starting command: fork/exec /bin/sh: no such file or directory`,
    { reason: 'BuildFailed' },
  ],
  [
    'celestiaorg/knuu#595',
    `${said('RUN true')}\n${build}error building stage: failed to get files used from context: failed to get fileinfo for /kaniko/buildcontext/usr/share/nginx/html/index.html: lstat /kaniko/buildcontext/usr/share/nginx/html/index.html: no such file or directory`,
    { reason: 'BuildFailed', detail: /^failed to get files used from context: .*index\.html/ },
  ],
  [
    'hashicorp/waypoint#3557',
    `${build}parsing dockerfile: Dockerfile parse error line 20: Unknown flag: mount`,
    { reason: 'BuildFailed', detail: /line 20/ },
  ],
  [
    'moby/buildkit 0.30 through kaniko 1.27.5',
    `${build}parsing dockerfile: dockerfile parse error on line 2: unknown instruction: FOO (did you mean FROM?)`,
    { reason: 'BuildFailed', detail: /on line 2: unknown instruction: FOO/ },
  ],
  [
    `${kaniko}#1298`,
    `${build}Error finding target stage: BaseSystem is not a valid target build stage`,
    { reason: 'BuildFailed', detail: /BaseSystem/ },
  ],
  [
    `${kaniko}#1487`,
    `${build}could not save file: read /dev/agpgart: invalid argument`,
    { reason: 'BuildFailed' },
  ],
  [
    `${kaniko}#1021`,
    `${build}error building stage: failed to get filesystem from image: error removing var/run to make way for new symlink: unlinkat /var/run/docker.sock: device or resource busy`,
    { reason: 'BuildFailed' },
  ],
  [
    `${kaniko}#2127`,
    `${build}error building stage: failed to get filesystem from image: failed to write "security.capability" attribute to "/usr/lib/gst-ptp-helper": operation not permitted`,
    { reason: 'BuildFailed' },
  ],
  [
    `${kaniko}#2834`,
    `${build}error building stage: failed to take snapshot: archive/tar: write too long`,
    { reason: 'BuildFailed' },
  ],
  [
    `${oss}: pkg/util/fs_util.go, ADD of an address`,
    `${said('ADD https://a.example/x /x')}\n${step}downloading remote source file: invalid response status 429`,
    {
      reason: 'BuildFailed',
      detail: /^ADD https:\/\/a\.example\/x \/x: downloading remote source file/,
    },
  ],
];

export const diskLogs: readonly RecordedLog[] = [
  [
    `${kaniko}#2203`,
    `${build}could not save file: copying file: write /kaniko/0/dev/full: no space left on device`,
    { reason: 'DiskFull' },
  ],
  [
    `${oss}: pkg/util/tar_util.go, a full disk`,
    `${build}error building stage: failed to take snapshot: write /kaniko/1.tar: no space left on device`,
    { reason: 'DiskFull' },
  ],
];
