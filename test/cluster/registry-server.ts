import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startProcess, untilReady } from './processes.ts';
import { run } from './run.ts';

export const registryName = 'docker-registry';

/** Starts Debian's docker-registry at `address:port`; it belongs to the processes of `folder`. `inside` are words
 *  before its command, such as those that put it into a network namespace. */
export async function startRegistryServer(
  folder: string,
  address: string,
  inside: readonly string[] = [],
): Promise<void> {
  const config = join(folder, 'registry.json');
  await writeFile(config, JSON.stringify(registryConfig(folder, address)));
  await startProcess(folder, {
    name: registryName,
    command: [...inside, 'docker-registry', 'serve', config],
    env: { OTEL_TRACES_EXPORTER: 'none' },
  });
  const answers = () =>
    run([...inside, 'curl', '--silent', '--fail', `http://${address}/v2/`]).then(
      () => true,
      () => false,
    );
  await untilReady({ folder, name: registryName }, answers);
}

export function registryStorage(folder: string): string {
  return join(folder, 'registry');
}

/** JSON is YAML. */
function registryConfig(folder: string, address: string): unknown {
  return {
    version: 0.1,
    log: { level: 'warn', accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: registryStorage(folder) }, delete: { enabled: true } },
    http: { addr: address },
  };
}
