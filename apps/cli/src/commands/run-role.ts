import type { AddressInfo } from 'node:net';
import { mkdir } from 'node:fs/promises';
import { createServer } from 'node:http';
import { UserError } from '../client/contexts.ts';
import { ensureOperator } from '../operator.ts';
import { readSettings, startProcess } from '../process.ts';
import { connect, type Connections } from '../roles/connect.ts';
import { createHealthListener } from '../roles/health-listener.ts';
import { startApi } from '../roles/start-api.ts';
import { startPublisher } from '../roles/start-publisher.ts';
import { startReceiver } from '../roles/start-receiver.ts';
import { startWorker } from '../roles/start-worker.ts';
import { startOrStop } from '../start-or-stop.ts';

export type Role = 'receiver' | 'worker' | 'publisher' | 'api';

/** One role in a process of its own, on real servers: an embedded database belongs to one process alone. */
export async function runRole(
  role: Role,
  { environment, print }: { environment: NodeJS.ProcessEnv; print: (line: string) => void },
): Promise<void> {
  const known = readSettings(environment);
  const { path, settings } = known;
  const { databaseUrl, redisUrl, registry } = settings;
  if (!databaseUrl || !redisUrl || !registry) {
    throw new UserError(
      `hephy ${role} needs HEPHY_DATABASE_URL, HEPHY_REDIS_URL and HEPHY_REGISTRY; hephy up runs all roles without them`,
    );
  }
  const running = await startProcess(known, { name: role, logToFile: false });
  const places = {
    database: { url: databaseUrl.reveal() },
    redis: { url: redisUrl.reveal() },
    registry: registry.address,
    plainHttp: registry.plainHttp,
  };
  const listening = await startOrStop(running, async () => {
    await mkdir(settings.dataDirectory, { recursive: true, mode: 0o700 });
    const connections = await connect({ ...known, places }, running);
    return startRole(role, { connections, path });
  });
  print(listening ? `hephy ${role} listens on ${listening}` : `hephy ${role} is at work`);
}

async function startRole(
  role: Role,
  { connections, path }: { connections: Connections; path: string },
): Promise<string | undefined> {
  const { settings } = connections;
  switch (role) {
    case 'receiver':
      return startReceiver(connections, path);
    case 'api': {
      // Whoever asks first needs somebody who may answer: the operator's token lies in the data folder.
      await ensureOperator(connections);
      const { host, port } = settings.listen.git;
      return startApi({
        ...connections,
        gitUrl: settings.publicUrls.git ?? `http://${host}:${port}`,
      });
    }
    case 'worker':
      await startWorker(connections, path);
      return listenForHealth(connections);
    case 'publisher':
      startPublisher(connections);
      return listenForHealth(connections);
  }
}

async function listenForHealth({
  settings,
  health,
  shutdown,
}: Connections): Promise<string | undefined> {
  const address = settings.listen.health;
  if (!address) return undefined;
  const answerHealth = createHealthListener(health);
  const server = createServer((request, response) => {
    if (!answerHealth(request, response)) response.writeHead(404).end();
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(address.port, address.host, resolve);
  });
  shutdown.add('health', () => server.close());
  return `http://${address.host}:${(server.address() as AddressInfo).port}`;
}
