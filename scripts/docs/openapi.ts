import { createApi } from '@hephy/api';
import { createHealth, createLogger } from '@hephy/runtime';
import {
  createApps,
  createBuildQueries,
  createBuildRecords,
  createDeliveries,
  createPlatforms,
  createPushes,
  createUsers,
  openDatabase,
} from '@hephy/store';

const now = (): Date => new Date(0);
const done = async (): Promise<void> => undefined;

/** The API's document, as `/openapi.json` serves it. The stores are never asked: a pool connects at its first statement. */
export async function makeOpenApi(): Promise<object> {
  const database = await openDatabase({ url: 'postgresql://nobody@localhost/none' });
  const { db } = database;
  const api = await createApi({
    users: createUsers(db),
    apps: createApps(db),
    queries: createBuildQueries(db),
    pushes: createPushes(db),
    deliveries: createDeliveries(db),
    platforms: createPlatforms(db),
    records: createBuildRecords(db),
    queue: { askAdvance: done },
    signals: { notify: done, subscribe: () => () => undefined },
    health: createHealth({ stopping: new AbortController().signal, now }),
    bullBoardQueues: [],
    defaultPlatforms: ['linux/amd64'],
    registry: 'registry.example.com',
    gitUrl: 'https://git.example.com',
    now,
    newId: () => '00000000000000000000000000',
    randomBytes: (sizeBytes) => new Uint8Array(sizeBytes),
    log: createLogger({ level: 'silent', name: 'docs', destination: process.stderr }),
  });
  try {
    await api.ready();
    return api.swagger();
  } finally {
    await api.close();
    await database.close();
  }
}
