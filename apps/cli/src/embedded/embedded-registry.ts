import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startChildServer, type ChildServer } from './child-server.ts';

/** Debian's docker-registry on loopback, without accounts: who is on this machine may read and write it. */
export async function startEmbeddedRegistry(input: {
  directory: string;
  path: string;
  host: string;
  port: number;
  onError: (error: unknown) => void;
}): Promise<{ server: ChildServer; address: string }> {
  const { directory, path, host, port, onError } = input;
  const storage = join(directory, 'storage');
  await mkdir(storage, { recursive: true, mode: 0o700 });
  const configFile = join(directory, 'config.json');
  await writeFile(configFile, JSON.stringify(registryConfig({ storage, host, port })), {
    mode: 0o600,
  });
  const address = `${host}:${port}`;
  const server = await startChildServer({
    name: 'docker-registry',
    argv: ['docker-registry', 'serve', configFile],
    environment: {
      PATH: path,
      HOME: directory,
      OTEL_TRACES_EXPORTER: 'none',
      GOGC: garbagePercent,
    },
    logFile: join(directory, 'registry.log'),
    probe: () => answers(address),
    onError,
  });
  return { server, address };
}

/** It reads each blob, however small, through 4 MiB of its own; with Go's 100 it collects after each. */
const garbagePercent = '400';

/** distribution's configuration; JSON is YAML. Source: distribution 2.8, docs/configuration.md. */
function registryConfig({
  storage,
  host,
  port,
}: {
  storage: string;
  host: string;
  port: number;
}): unknown {
  return {
    version: 0.1,
    log: { level: 'warn', accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: storage }, delete: { enabled: true } },
    http: { addr: `${host}:${port}` },
  };
}

async function answers(address: string): Promise<void> {
  const response = await fetch(`http://${address}/v2/`, { signal: AbortSignal.timeout(1000) });
  await response.body?.cancel();
  if (!response.ok) throw new Error(`${address} answered ${response.status}`);
}
