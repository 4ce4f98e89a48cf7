/**
 * Credentials from a program, such as a cloud's that turns the identity of this machine or pod into a password for some
 * hours: `docker-credential-<name> get` reads the registry on its standard input and writes JSON.
 * Source: docker/docker-credential-helpers, README, "Development".
 */
import { execFile, type ExecFileException } from 'node:child_process';
import { registryHost } from '@hephy/oci';
import { z } from 'zod';
import type { CredentialSource, RegistryCredentials } from './auth.ts';
import { parseJson } from './classify.ts';
import { printable, RegistryFailure } from './failure.ts';

export interface CredentialHelperOptions {
  /** `ecr-login` of `docker-credential-ecr-login`. */
  readonly name: string;
  /** `host[:port]` */
  readonly registry: string;
  /** All that the program sees, the PATH that it is found on included. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** After which it is killed; without it, 30 s. */
  readonly timeoutMs?: number;
}

const Answer = z.object({ Username: z.string().min(1), Secret: z.string().min(1) });
/** Some registries have us log in with every request, and the program asks its cloud each time. */
const keptMs = 60_000;
const usualTimeoutMs = 30_000;
const maxAnswerBytes = 65_536;

/** Asks the program once a minute at most, and at once when what it said was refused. Throws `RegistryFailure`. */
export function createCredentialHelper(options: CredentialHelperOptions): CredentialSource {
  let kept:
    { readonly answer: Promise<RegistryCredentials>; readonly askedAtMs: number } | undefined;
  return ({ renew }) => {
    const nowMs = options.now();
    if (!kept || renew || nowMs - kept.askedAtMs > keptMs) {
      const asked = { answer: askHelper(options), askedAtMs: nowMs };
      asked.answer.catch(() => {
        if (kept === asked) kept = undefined;
      });
      kept = asked;
    }
    return kept.answer;
  };
}

async function askHelper(options: CredentialHelperOptions): Promise<RegistryCredentials> {
  const program = `docker-credential-${options.name}`;
  const text = await run(program, options);
  const parsed = Answer.safeParse(parseJson(text));
  if (!parsed.success) throw failed(options, `${program} answered no user and secret`);
  return { username: parsed.data.Username, password: parsed.data.Secret };
}

function run(program: string, options: CredentialHelperOptions): Promise<string> {
  const { environment: env, registry, timeoutMs: timeout = usualTimeoutMs } = options;
  const bounds = { timeout, killSignal: 'SIGKILL', maxBuffer: maxAnswerBytes } as const;
  return new Promise((resolve, reject) => {
    const child = execFile(program, ['get'], { env, ...bounds }, (error, stdout) => {
      if (!error) return resolve(stdout);
      const isThere = error.code !== 'ENOENT' && error.code !== 'EACCES';
      reject(
        failed(options, `${program} ${isThere ? howItEnded(error, stdout) : error.code}`, isThere),
      );
    });
    // It may end without having read.
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(dockerName(registry));
  });
}

/** A program that fails by itself says why on its standard output; one that was stopped may have begun its answer. */
function howItEnded({ code, signal, killed }: ExecFileException, stdout: string): string {
  if (killed) return 'did not end in time';
  const isSentence = typeof code === 'number' && !stdout.includes('{');
  return `ended with ${code ?? signal}${isSentence ? `: ${stdout}` : ''}`;
}

/** Docker's own name for its hub is an address. Source: docker/cli, cli/config/configfile. */
export function dockerName(registry: string): string {
  return registryHost(registry) === 'registry-1.docker.io'
    ? 'https://index.docker.io/v1/'
    : registry;
}

function failed(
  { registry }: CredentialHelperOptions,
  what: string,
  temporary = false,
): RegistryFailure {
  return new RegistryFailure(`no credentials for ${registry}: ${printable(what)}`, {
    reason: 'RegistryUnauthorized',
    temporary,
    method: 'GET',
    url: registry,
  });
}
