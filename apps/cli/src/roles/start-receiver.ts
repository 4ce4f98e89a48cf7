import type { AddressInfo } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import { isTerminal } from '@hephy/core';
import { zeroSha } from '@hephy/git';
import { createReceiver } from '@hephy/receiver';
import { createDirectorySourceStore } from '@hephy/source';
import { hashToken, type UnmovedRef } from '@hephy/store';
import { dataPath, type Connections } from './connect.ts';
import { createHealthListener } from './health-listener.ts';

/** Takes pushes; the one role with the repositories. Answers where it listens. */
export async function startReceiver(connections: Connections, path: string): Promise<string> {
  const { settings, places, shutdown, apps, users, pushes, now } = connections;
  const source = createDirectorySourceStore({ directory: dataPath(connections, 'sources') });
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
    setDeployBranch: (appId, branch) => setDeployBranch(connections, { appId, branch }),
    liveBuildNumber: (appId) => liveBuildNumber(connections, appId),
    acceptPush: (push) => pushes.acceptPush(push),
    markRefMoved: (buildId, at) => pushes.markRefMoved(buildId, at),
    listUnmovedRefs: async () => (await pushes.listUnmovedRefs()).map(refToMove),
    wait: (milliseconds, signal) => setTimeout(milliseconds, undefined, { signal }),
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

/** An app has one live build at most, and it is the newest. */
async function liveBuildNumber(
  { queries }: Connections,
  appId: string,
): Promise<number | undefined> {
  const [newest] = await queries.listBuilds({ appId, limit: 1 });
  return newest && !isTerminal(newest.state) ? newest.number : undefined;
}

async function setDeployBranch(
  { apps }: Connections,
  { appId, branch }: { appId: string; branch: string },
): Promise<void> {
  const app = await apps.readApp(appId);
  if (app) await apps.updateSettings(appId, { ...app.settings, deployBranch: branch });
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
