import { mkdir } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { UserError } from '../client/contexts.ts';
import { startChildServer, type ChildServer } from './child-server.ts';

/** A unix socket's path has to fit into `sun_path`: 108 bytes with its end. Source: unix(7). */
const longestSocketPath = 107;

/** A redis-server of our own, on a unix socket that only this user can open. It keeps nothing: the record is elsewhere. */
export async function startEmbeddedRedis(input: {
  directory: string;
  path: string;
  onError: (error: unknown) => void;
}): Promise<{ server: ChildServer; socketPath: string }> {
  const { directory, path, onError } = input;
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const socketPath = join(directory, 'socket');
  if (Buffer.byteLength(socketPath) > longestSocketPath) {
    throw new UserError(
      `the path ${socketPath} is too long for a unix socket; choose a shorter folder with --data or HEPHY_DATA`,
    );
  }
  const server = await startChildServer({
    name: 'redis-server',
    argv: ['redis-server', ...Object.entries(redisConfig(directory, socketPath)).flat()],
    environment: { PATH: path },
    logFile: join(directory, 'redis.log'),
    probe: () => canConnect(socketPath),
    onError,
  });
  return { server, socketPath };
}

function redisConfig(directory: string, socketPath: string): Record<string, string> {
  return {
    '--port': '0',
    '--unixsocket': socketPath,
    '--unixsocketperm': '700',
    '--save': '',
    '--appendonly': 'no',
    '--dir': directory,
    '--maxmemory': '256mb',
    '--maxmemory-policy': 'noeviction',
  };
}

function canConnect(socketPath: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(socketPath, () => {
      socket.destroy();
      resolve();
    });
    socket.once('error', reject);
  });
}
