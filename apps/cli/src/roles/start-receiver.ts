import type { AddressInfo } from 'node:net';
import { zeroSha } from '@hephy/git';
import { createReceiver } from '@hephy/receiver';
import { hashToken, type UnmovedRef } from '@hephy/store';
import { dataPath, type Connections } from './connect.ts';
import { createHealthListener } from './health-listener.ts';
import { openSources } from './open-sources.ts';

/** Takes pushes; the one role with the repositories. Answers where it listens. */
export async function startReceiver(connections: Connections, path: string): Promise<string> {
  const { settings, places, shutdown, apps, users, pushes, queries, now } = connections;
  const source = await openSources(connections);
  const receiver = await createReceiver({
    ...connections,
    directory: dataPath(connections, 'git'),
    path,
    source,
    registry: places.registry,
    maxPackBytes: settings.maxPushBytes,
    maxSourceBytes: settings.maxSourceBytes,
    authenticate: (token) => users.authenticate(hashToken(token), now()),
    findApp: (name) => apps.findApp(name),
    rightOf: (userId, appId) => apps.rightOf(userId, appId),
    findLiveBuild: (appId) => queries.findLiveBuild(appId),
    acceptPush: (push) => pushes.acceptPush(push),
    markRefMoved: (buildId, at) => pushes.markRefMoved(buildId, at),
    listUnmovedRefs: async (appId) => (await pushes.listUnmovedRefs(appId)).map(refToMove),
    subscribe: (buildId, callback) => follow(connections, { buildId, callback }),
    answerHealth: createHealthListener(connections.health),
  });
  const { host, port } = settings.listen.git;
  await new Promise<void>((resolve, reject) => {
    receiver.server.once('error', reject);
    receiver.server.listen(port, host, resolve);
  });
  shutdown.add('receiver', () => receiver.close());
  const address = receiver.server.address() as AddressInfo;
  return settings.publicUrls.git ?? `http://${host}:${address.port}`;
}

/** How often a waiting push looks at its build without a signal. */
const lookEveryMs = 5_000;

/** Who dies between writing to the record and telling of it must not leave a push waiting. */
function follow(
  { signals, repeat }: Connections,
  { buildId, callback }: { buildId: string; callback: () => void },
): () => void {
  const unsubscribe = signals.subscribe(buildId, callback);
  const stopLooking = repeat(lookEveryMs, callback);
  return () => {
    stopLooking();
    unsubscribe();
  };
}

function refToMove({ buildId, appId, ref, sha, oldSha }: UnmovedRef): {
  buildId: string;
  appId: string;
  ref: string;
  newSha: string;
  oldSha: string;
} {
  return { buildId, appId, ref, newSha: sha, oldSha: oldSha ?? zeroSha };
}
