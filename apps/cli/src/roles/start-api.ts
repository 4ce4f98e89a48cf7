import { randomBytes } from 'node:crypto';
import { createApi } from '@hephy/api';
import { bullBoardQueues } from '@hephy/queue';
import { machinePlatformOf } from '@hephy/drivers';
import type { Connections } from './connect.ts';

/** The REST API and the operator's queue board. Answers its address. */
export async function startApi(connections: Connections & { gitUrl: string }): Promise<string> {
  const { settings, places, producer, shutdown, onError } = connections;
  const board = bullBoardQueues({ connection: producer, onError });
  shutdown.add('queue board', () => board.close());
  const api = await createApi({
    ...connections,
    bullBoardQueues: board.queues,
    registry: places.registry,
    defaultPlatforms: [machinePlatformOf(process.arch)],
    randomBytes,
  });
  shutdown.add('api', () => api.close());
  const address = await api.listen(settings.listen.api);
  return settings.publicUrls.api ?? address;
}
