import { contextsFile, saveServer } from '../client/contexts.ts';
import { ensureOperator } from '../operator.ts';
import { readSettings, startProcess, type ServiceProcess } from '../process.ts';
import { startService, type Service } from '../service.ts';
import { startOrStop } from '../start-or-stop.ts';

export interface RunningService extends Service {
  readonly operatorToken: string;
  readonly process: ServiceProcess;
}

export function startServiceProcess(environment: NodeJS.ProcessEnv): Promise<ServiceProcess> {
  return startProcess(readSettings(environment), {
    name: 'hephy',
    logToFile: process.stderr.isTTY,
  });
}

/** Starts everything, and makes the operator of this machine known to the command line. */
export async function runService(
  running: ServiceProcess,
  { contextsFile }: { contextsFile: string },
): Promise<RunningService> {
  return startOrStop(running, async () => {
    const service = await startService(running, running);
    const operatorToken = await ensureOperator(service.connections);
    const { apiUrl, gitUrl } = service;
    await saveServer(contextsFile, { apiUrl, gitUrl, token: operatorToken });
    return { ...service, operatorToken, process: running };
  });
}

/** `hephy up`: the service in the foreground, until SIGTERM or Ctrl-C. */
export async function up(
  environment: NodeJS.ProcessEnv,
  { print, program }: { print: (line: string) => void; program: string },
): Promise<void> {
  const startedAt = performance.now();
  const running = await startServiceProcess(environment);
  const service = await runService(running, { contextsFile: contextsFile(environment) });
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  for (const line of banner(service, { seconds, program })) print(line);
}

export function banner(
  { gitUrl, apiUrl, connections, process: { logFile } }: RunningService,
  { seconds, program }: { seconds: string; program: string },
): string[] {
  return [
    '',
    `  hephy-builder is up (${seconds} s)`,
    '',
    `  git        ${gitUrl}/<app>.git`,
    `  API        ${apiUrl}/v1`,
    `  queues     ${apiUrl}/ops/queues`,
    `  registry   ${connections.places.registry}`,
    `  data       ${connections.settings.dataDirectory}`,
    ...(logFile ? [`  log        ${logFile}`] : []),
    '',
    '  Next, in a repository with a Dockerfile:',
    ...firstPush(program).map((line) => `    ${line}`),
    '',
    '  Ctrl-C stops it.',
    '',
  ];
}

/** What a user types to push an own repository. */
export function firstPush(program: string): string[] {
  return [
    `export PATH="${program.replace(/\/hephy$/, '')}:$PATH"`,
    'hephy apps create shop',
    'git push deis main',
  ];
}
