import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { createApiClient, type ApiClient } from './client/api-client.ts';
import { contextsFile, currentServer, UserError } from './client/contexts.ts';
import { appOfRepository } from './client/repository.ts';
import { createApp, listApps, setApp, setRemote } from './commands/apps.ts';
import { cancelBuild, listBuilds, printLog, rebuild, redeliver } from './commands/builds.ts';
import { credential } from './commands/credential.ts';
import { doctor } from './commands/doctor.ts';
import { login } from './commands/login.ts';
import { listPlatforms, suggestPlatforms } from './commands/platforms.ts';
import type { Role } from './commands/run-role.ts';
import { systemRefusal } from './system-refusal.ts';

const program = fileURLToPath(new URL('../../../bin/hephy', import.meta.url));
const { version } = JSON.parse(
  readFileSync(new URL('../../../package.json', import.meta.url), 'utf8'),
) as { version: string };
const file = contextsFile(process.env);
const write = (chunk: Uint8Array): void => void process.stdout.write(chunk);
const print = (line: string): void => void process.stdout.write(`${line}\n`);
const complain = (line: string): void => void process.stderr.write(`${line}\n`);

const hephy = new Command('hephy')
  .description('git push deis main, and one tag names a verified multi-architecture image.')
  .version(version)
  .showHelpAfterError();

// These load the service, which nobody should wait for in a command line, least of all git for its credential.
hephy.commandsGroup('The service:');
hephy
  .command('up')
  .description('start the whole service here, in the foreground')
  .option('--data <directory>', 'where it keeps its data (default: .hephy, or HEPHY_DATA)')
  .action(async (options: { data?: string }) => {
    const { up } = await import('./commands/up.ts');
    await up(withData(options.data), { print, program });
  });
hephy
  .command('demo')
  .description('start it, push a small repository, and show the proof')
  .option('--keep', 'leave the service up afterwards, for pushing your own repository')
  .action(async (options: { keep?: true }) => {
    const { demo } = await import('./commands/demo.ts');
    await demo({ keep: options.keep ?? false, program, print });
  });
hephy
  .command('doctor')
  .description('say what is missing on this machine, and how to get it')
  .action(async () => {
    process.exitCode = (await doctor(process.env, print)) ? 0 : 1;
  });
const roles = ['receiver', 'worker', 'publisher', 'api'] satisfies Role[];
const services: ReadonlySet<string> = new Set(['up', 'demo', ...roles]);
for (const role of roles) {
  hephy
    .command(role)
    .description(`run the ${role} alone, on the servers that the environment names`)
    .action(async () => {
      const { runRole } = await import('./commands/run-role.ts');
      await runRole(role, { environment: process.env, print });
    });
}

hephy.commandsGroup('Apps:');
hephy
  .command('login')
  .description('remember a server; reads the token from standard input')
  .argument('<url>', "the server's API, such as https://hephy.example.com")
  .action((url: string) => login(url, { file, stdin: process.stdin, stdout: process.stdout }));
const apps = hephy
  .command('apps')
  .description('list the apps you may read')
  .action(async () => listApps(await api(), { print }));
apps
  .command('create')
  .description('create an app; inside a repository, add the remote deis for it')
  .argument('<name>', 'lower-case letters, digits and dashes')
  .option(
    '--platforms <list>',
    'such as linux/amd64,linux/arm64 (default: all that can be built for)',
  )
  .option(
    '--no-native-nodes',
    'also take platforms that this machine is not: COPY-only Dockerfiles',
  )
  .option('--hook <url>', 'where releases are posted to')
  .action(createAppAction);
apps
  .command('remote')
  .description('inside a repository: point the remote deis at an app that exists')
  .argument('<name>', 'the app')
  .action(async (name: string) => {
    const server = await currentServer(file);
    const input = { name, directory: process.cwd(), program, server };
    await setRemote(input, { api: createApiClient(server), print });
  });
apps
  .command('set')
  .description("change an app's settings: key=value …")
  .argument('<changes...>', 'such as timeLimitSeconds=600 platforms=linux/amd64')
  .option('-a, --app <name>', 'the app (default: that of the remote deis)')
  .action(async (changes: string[], options: AppOption) =>
    setApp({ name: await appOf(options), changes }, { api: await api(), print }),
  );
hephy
  .command('platforms')
  .description('list what can be built for, and why the rest cannot be now')
  .option('-a, --app <name>', 'what this app could be built for, and why')
  .action(async (options: AppOption) =>
    options.app === undefined
      ? listPlatforms({ api: await api(), print })
      : suggestPlatforms(await appOf(options), { api: await api(), print }),
  );

hephy.commandsGroup('Builds:');
onBuilds('builds', 'list the newest builds of an app').action(async (options: AppOption) =>
  listBuilds(await appOf(options), { api: await api(), print }),
);
onBuilds('logs', 'print what a build said; of the newest build without a number')
  .argument('[number]', 'the build')
  .option('-f, --follow', 'stay until the build has ended')
  .action(async (number: string | undefined, options: AppOption & { follow?: true }) => {
    const build = { app: await appOf(options), number, follow: options.follow ?? false };
    const succeeded = await printLog(build, { api: await api(), write });
    process.exitCode = succeeded ? 0 : 1;
  });
onBuilds('cancel', 'stop a build')
  .argument('[number]', 'the build (default: the newest)')
  .action(async (number: string | undefined, options: AppOption) =>
    cancelBuild({ app: await appOf(options), number }, { api: await api(), print }),
  );
onBuilds('redeliver', 'post the release of a build to its hook again')
  .argument('[number]', 'the build (default: the newest)')
  .action(async (number: string | undefined, options: AppOption) =>
    redeliver({ app: await appOf(options), number }, { api: await api(), print }),
  );
onBuilds('rebuild', 'build the same commit again')
  .argument('[number]', 'the build (default: the newest)')
  .action(async (number: string | undefined, options: AppOption) =>
    rebuild({ app: await appOf(options), number }, { api: await api(), print }),
  );

hephy
  .command('credential', { hidden: true })
  .description("git's credential helper")
  .argument('<operation>')
  .action((operation: string) =>
    credential(operation, { file, stdin: process.stdin, stdout: process.stdout }),
  );

hephy
  .command('fetch-source', { hidden: true })
  .description("the first container of a builder's pod")
  .action(async () => {
    const { fetchSourceCommand } = await import('./commands/fetch-source.ts');
    process.exitCode = await fetchSourceCommand(process.env, { print, complain });
  });
hephy
  .command('push-layout', { hidden: true })
  .description("the last container of a builder's pod that may not push by itself")
  .action(async () => {
    const { pushLayoutCommand } = await import('./commands/push-layout.ts');
    process.exitCode = await pushLayoutCommand(process.env, { print, complain });
  });

interface AppOption {
  readonly app?: string;
}

function onBuilds(name: string, description: string): Command {
  return hephy
    .command(name)
    .description(description)
    .option('-a, --app <name>', 'the app (default: that of the remote deis)');
}

async function createAppAction(
  name: string,
  options: { platforms?: string; nativeNodes: boolean; hook?: string },
): Promise<void> {
  const server = await currentServer(file);
  const input = {
    name,
    platforms: options.platforms?.split(','),
    requireNativeNodes: options.nativeNodes,
    hookUrl: options.hook,
    directory: process.cwd(),
    program,
    server,
  };
  await createApp(input, { api: createApiClient(server), print });
}

async function api(): Promise<ApiClient> {
  return createApiClient(await currentServer(file));
}

async function appOf({ app }: AppOption): Promise<string> {
  if (app !== undefined && !/^[a-z0-9-]+$/.test(app))
    throw new UserError(`"${app}" is not an app's name; \`hephy apps\` lists yours`);
  return app ?? appOfRepository(process.cwd());
}

function withData(directory: string | undefined): NodeJS.ProcessEnv {
  if (directory !== undefined) process.env['HEPHY_DATA'] = directory;
  return process.env;
}

// Whoever reads us may have seen enough (`hephy logs | head`). A service goes on without anybody who reads.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (services.has(process.argv[2] ?? '')) return;
  if (error.code !== 'EPIPE') process.stderr.write(`hephy: cannot print: ${error.message}\n`);
  process.exit(error.code === 'EPIPE' ? 0 : 1);
});

try {
  await hephy.parseAsync();
} catch (error) {
  const sentence = error instanceof UserError ? error.message : systemRefusal(error);
  if (sentence === undefined) throw error;
  process.stderr.write(`hephy: ${sentence}\n`);
  process.exitCode = 1;
}
