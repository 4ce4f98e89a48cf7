/**
 * The chart, installed in the cluster of the tests by what docs/kubernetes.md says: each role is a pod of its own, and
 * pushes come from outside. The tests are one story, which ends with the release; on its way the worker comes by every
 * road for which it was given a right.
 */
import { createRegistryClient } from '@hephy/registry';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { startGate, type Gate } from '../parts/gate.ts';
import {
  gitOutput,
  startGitClient,
  type GitClientResult,
  type RunningGitClient,
  type WorkTree,
} from '../parts/git-client.ts';
import { until } from '../parts/until.ts';
import { installChart, type ChartRelease } from './chart-release.ts';
import { startCluster, type Cluster } from './start-cluster.ts';
import { askedBy, grantedBy } from './used-rights.ts';

let cluster: Cluster;
let gate: Gate;
let release: ChartRelease;
let shop: WorkTree;
const since = new Date();
beforeAll(async () => {
  cluster = await startCluster({ arm64: false, services: true });
  gate = await startGate(cluster.registry.split(':')[0]);
  release = await installChart(cluster);
  shop = await release.createApp('shop');
});
afterAll(async () => {
  await release?.close();
  await gate?.close();
  await cluster?.stop();
});

const startPush = ({ path }: WorkTree): RunningGitClient =>
  startGitClient(['push', 'deis', 'main'], { cwd: path, environment: release.env });
const push = (tree: WorkTree): Promise<GitClientResult> => startPush(tree).result;
/** As the receiver tells them. */
const refs = (): Promise<string> =>
  gitOutput(['ls-remote', 'deis'], { cwd: shop.path, environment: release.env });
const dockerfile = (...steps: readonly string[]): { Dockerfile: string } => ({
  Dockerfile: [`FROM ${cluster.images.base}`, ...steps, ''].join('\n'),
});
const builders = async (): Promise<readonly string[]> =>
  (await release.shell('kubectl get pods --namespace hephy-builds --output name'))
    .split('\n')
    .filter((name) => name !== '');

test('a push from outside becomes a released index', async () => {
  await release.shell('hephy apps set --app shop publishIndex=true');
  const sha = await shop.commit(dockerfile('RUN echo built in a pod'));
  const pushed = await push(shop);
  expect(pushed.stderr).toContain('built in a pod');
  expect(pushed).toMatchObject({ exitCode: 0 });
  const registry = createRegistryClient({ registry: cluster.registry, plainHttp: true });
  try {
    const tagged = ['latest', `git-${sha.slice(0, 8)}`].map((tag) =>
      registry.getManifest('shop', tag, {}),
    );
    const [latest, ofCommit] = await Promise.all(tagged);
    expect(latest?.digest).toBe(ofCommit?.digest);
    expect(JSON.parse(Buffer.from(latest?.bytes ?? []).toString())).toMatchObject({
      mediaType: 'application/vnd.oci.image.index.v1+json',
      manifests: [{ platform: { os: 'linux', architecture: 'amd64' } }],
    });
  } finally {
    await registry.close();
  }
});

test('no role but the worker holds a token of the cluster', async () => {
  const token = '/var/run/secrets/kubernetes.io/serviceaccount/token';
  for (const role of ['receiver', 'worker', 'publisher', 'api']) {
    const look = `test -e ${token} && echo held || echo none`;
    const said = await release.shell(
      `kubectl exec --namespace hephy deployment/hephy-${role} -- sh -c '${look}'`,
    );
    expect([role, said.trim()]).toEqual([role, role === 'worker' ? 'held' : 'none']);
  }
});

test('a build goes on while its worker is moved off the node, and the push hears its end', async () => {
  await shop.commit(dockerfile(gate.step('evicted')));
  const pushing = startPush(shop);
  await gate.arrived('evicted');
  const worker = await release.shell(
    'kubectl get pods --namespace hephy --selector app.kubernetes.io/component=worker --output jsonpath="{.items[0].metadata.name}"',
  );
  const evicted = await cluster.api.send(
    'POST',
    `/api/v1/namespaces/hephy/pods/${worker}/eviction`,
    {
      apiVersion: 'policy/v1',
      kind: 'Eviction',
      metadata: { name: worker, namespace: 'hephy' },
    },
  );
  expect(evicted.status).toBe(201);
  await release.shell('kubectl wait --namespace hephy --for=delete --timeout=60s pod/' + worker);
  gate.open('evicted');
  expect(await pushing.result).toMatchObject({ exitCode: 0 });
  expect(gate.arrivals('evicted')).toBe(1);
});

test('a push that is left takes its builders with it', async () => {
  await shop.commit(dockerfile(gate.step('left')));
  const pushing = startPush(shop);
  await gate.arrived('left');
  pushing.interrupt();
  await pushing.result;
  await until('no builder', async () => (await builders()).length === 0);
  expect((await release.ended('shop', 3)).state).toBe('canceled');
});

test('the trial PostgreSQL comes back on its volume, and pushes go on', async () => {
  await release.shell(
    'kubectl rollout restart --namespace hephy deployment/hephy-postgresql && kubectl rollout status --namespace hephy --timeout=60s deployment/hephy-postgresql',
  );
  await shop.commit(dockerfile('RUN echo after the restart'));
  await until('a push that is taken', async () => (await push(shop)).exitCode === 0);
  expect((await release.ended('shop', 4)).state).toBe('succeeded');
});

test('a builder that somebody deletes is made again, and again where its next name is taken', async () => {
  await shop.commit(dockerfile(gate.step('deleted')));
  const pushing = startPush(shop);
  await gate.arrived('deleted');
  const name = await release.shell(
    "kubectl get jobs --namespace hephy-builds --output jsonpath='{.items[*].metadata.name}'",
  );
  const theirs = name.replace(/-a1$/, '-a2');
  const containers = [{ name: 'none', image: 'none' }];
  const made = await cluster.api.send('POST', '/apis/batch/v1/namespaces/hephy-builds/jobs', {
    metadata: { name: theirs },
    spec: { suspend: true, template: { spec: { restartPolicy: 'Never', containers } } },
  });
  expect(made.status).toBe(201);
  await release.shell(`kubectl delete job --namespace hephy-builds ${name}`);
  await until('another builder', () => gate.arrivals('deleted') === 2);
  gate.open('deleted');
  const pushed = await pushing.result;
  expect(pushed.stderr).toContain('builder of that name was made from another specification');
  expect(pushed).toMatchObject({ exitCode: 0 });
  await release.shell(`kubectl delete job --namespace hephy-builds --ignore-not-found ${theirs}`);
});

test('an upgrade keeps repositories and secrets; an image that cannot be is named in the push', async () => {
  const before = await refs();
  await release.shell(
    `helm upgrade hephy charts/hephy-builder --namespace hephy --reuse-values --wait --timeout 5m \
       --set kaniko.image=${cluster.registry}/Kaniko:none --set settings.HEPHY_LOG_LEVEL=debug`,
  );
  await until('the API is back', async () => (await userStatus()) === 200);
  expect(await refs()).toBe(before);
  await shop.commit(dockerfile());
  const pushing = startPush(shop);
  await pushing.seen('builder image cannot be pulled');
  pushing.interrupt();
  expect((await pushing.result).exitCode).not.toBe(0);
});

/** Undefined until kube-proxy has heard of the new pod, and every connection to the old one is gone. */
function userStatus(): Promise<number | undefined> {
  return release.call('GET', '/v1/user').then(
    ({ status }) => status,
    () => undefined,
  );
}

test('an operator who revokes the first token keeps it revoked', async () => {
  const Tokens = z.object({ tokens: z.array(z.object({ id: z.string() })) });
  const { tokens } = Tokens.parse((await release.call('GET', '/v1/tokens')).body);
  for (const { id } of tokens) await release.call('DELETE', `/v1/tokens/${id}`);
  await release.shell(
    'kubectl rollout restart --namespace hephy deployment/hephy-api && kubectl rollout status --namespace hephy --timeout 2m deployment/hephy-api',
  );
  expect(await until('the API is back', userStatus)).toBe(401);
});

test('the worker was never refused, has used each of its rights, and nobody else has asked anything', async () => {
  const asked = await askedBy({ namespace: 'hephy', since }, cluster);
  expect(asked.filter(({ status }) => status === 403)).toEqual([]);
  expect([...new Set(asked.map(({ account }) => account))]).toEqual(['hephy-worker']);
  const rbac = '/apis/rbac.authorization.k8s.io/v1';
  const granted = [
    ...(await grantedBy(`${rbac}/namespaces/hephy-builds/roles/hephy-worker`, cluster)),
    ...(await grantedBy(`${rbac}/clusterroles/hephy-builds-nodes`, cluster)),
  ];
  expect([...new Set(asked.map(({ right }) => right))].toSorted()).toEqual(granted.toSorted());
});

test('helm uninstall leaves nothing', async () => {
  await release.shell('helm uninstall hephy --namespace hephy --wait --timeout 5m');
  // What other tests have applied from deploy/ is of the same instance, and not Helm's.
  const left = await release.shell(
    `kubectl api-resources --verbs=list --output name | grep -v '^events' | paste -sd, \
       | xargs -I KINDS kubectl get KINDS --all-namespaces --ignore-not-found --output name \
         --selector app.kubernetes.io/instance=hephy,app.kubernetes.io/managed-by=Helm`,
  );
  expect(left).toBe('');
  await until('the namespace of builds is gone', async () => {
    const { status } = await cluster.api.send('GET', '/api/v1/namespaces/hephy-builds');
    return status === 404;
  });
  const own = 'secrets,configmaps,serviceaccounts,persistentvolumeclaims,pods,services';
  const inNamespace = await release.shell(`kubectl get ${own} --namespace hephy --output name`);
  expect(inNamespace.trim().split('\n')).toEqual([
    'configmap/kube-root-ca.crt',
    'serviceaccount/default',
  ]);
});
