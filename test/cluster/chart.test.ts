/** What the chart makes of values: what it refuses, what it grants, and whom it lets ask what. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { environmentTable } from '@hephy/runtime';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { notInCluster } from '../../scripts/docs/chart-schema.ts';
import { renderManifests } from '../../scripts/manifests/render.ts';
import { everything, known, least, shared, trial, written } from './chart-values.ts';
import { lintChart, objectsIn, templateChart, type KubeObject } from './helm.ts';

const root = join(import.meta.dirname, '../..');
const roles = ['receiver', 'worker', 'publisher', 'api'];
const render = async (values: object): Promise<KubeObject[]> =>
  objectsIn(await templateChart({ values }));

test('helm finds nothing to say about it', async () => {
  for (const values of [least, trial, everything, known, written, shared]) {
    expect(await lintChart({ values })).toContain('1 chart(s) linted, 0 chart(s) failed');
  }
});

describe('values that cannot be meant', () => {
  test('are told all at once, each with what to set', async () => {
    const problems = await templateChart({ values: {} }).catch(
      ({ cause }: { cause: { stderr: string } }) => cause.stderr,
    );
    for (const name of [
      'image',
      'kaniko.image',
      'registry.address',
      'receiver.publicUrl',
      'api.publicUrl',
      'one of database.url, database.existingSecret and postgresql.enabled',
      'one of redis.url, redis.existingSecret and redis.enabled',
    ]) {
      expect(problems).toMatch(new RegExp(`^- ${name} is needed`, 'm'));
    }
  });

  test.each([
    [
      { registry: { address: 'https://registry.example.com' } },
      'registry.address is needed, as host[:port][/prefix] without https://',
    ],
    [
      { registry: { ...least.registry, username: 'ada' } },
      'registry.username and registry.password go together',
    ],
    [
      { registry: { ...least.registry, credentialHelper: 'gcr', existingSecret: 'publisher' } },
      'registry.credentialHelper is in place of registry.username and registry.existingSecret',
    ],
    [{ postgresql: { enabled: true } }, 'one of database.url, database.existingSecret and'],
    [{ operator: { token: 'password' } }, 'operator.token is hephy_ and 43 letters or digits'],
    [
      { kaniko: { image: 'kaniko@sha256:00', debug: true } },
      'kaniko.debug adds -debug to a tag, and kaniko.image has a digest',
    ],
    [{ worker: { replicas: 'two' } }, "at '/worker/replicas': got string, want integer"],
    [{ settings: { HEPHY_MAX_PUSHES: 1 } }, "additional properties 'HEPHY_MAX_PUSHES' not allowed"],
    [{ settings: { HEPHY_DATA: '/tmp' } }, "additional properties 'HEPHY_DATA' not allowed"],
    [{ reciever: {} }, "additional properties 'reciever' not allowed"],
    [{ builds: { namespace: 'Builds' } }, "at '/builds/namespace': 'Builds' does not match"],
    [{ certificates: '/etc/ca.pem' }, "at '/certificates': '/etc/ca.pem' does not match"],
    [{ builds: { cache: { size: '10' } } }, "at '/builds/cache/size': '10' does not match"],
    [{ sources: { storage: { size: 10 } } }, "at '/sources/storage/size': got number, want string"],
  ])('%j', async (values, sentence) => {
    await expect(templateChart({ values: { ...least, ...values } })).rejects.toThrow(sentence);
  });
});

const Deployment = z.object({
  metadata: z.object({ name: z.string() }),
  spec: z.object({
    template: z.object({
      spec: z.looseObject({
        serviceAccountName: z.string().optional(),
        automountServiceAccountToken: z.boolean(),
        enableServiceLinks: z.boolean(),
        affinity: z.unknown().optional(),
        volumes: z.array(z.looseObject({ name: z.string() })),
        containers: z
          .array(
            z.looseObject({
              env: z
                .array(z.object({ name: z.string(), value: z.string().optional() }).loose())
                .default([]),
              volumeMounts: z.array(z.looseObject({ name: z.string(), mountPath: z.string() })),
            }),
          )
          .length(1),
      }),
    }),
  }),
});

const Secrets = z.object({
  projected: z.object({
    sources: z.array(
      z.object({ secret: z.object({ items: z.array(z.object({ path: z.string() })) }) }),
    ),
  }),
});

/** The pods of the roles by their names. */
async function rolesOf(values: object) {
  const deployments = (await render(values)).filter(({ kind }) => kind === 'Deployment');
  const byName = new Map(
    deployments.map((each) => {
      const { metadata, spec } = Deployment.parse(each);
      return [metadata.name, spec.template.spec] as const;
    }),
  );
  return Object.fromEntries(
    roles.map((role) => {
      const pod = byName.get(`hephy-${role}`);
      const [container] = pod?.containers ?? [];
      if (!pod || !container) throw new Error(`there is no ${role}`);
      return [role, { ...pod, ...container }];
    }),
  );
}

describe('the pods', () => {
  test('have each setting of the service that is for them, and none that it does not know', async () => {
    const settings = z
      .object({ properties: z.object({ settings: z.object({ properties: z.looseObject({}) }) }) })
      .parse(
        JSON.parse(await readFile(join(root, 'charts/hephy-builder/values.schema.json'), 'utf8')),
      );
    const settable = Object.keys(settings.properties.settings.properties);
    const pods = await Promise.all([everything, known].map(rolesOf));
    const set = pods
      .flatMap((each) => Object.values(each))
      .flatMap(({ env }) => env.map(({ name }) => name));
    const ours = environmentTable.flatMap(({ name, secret }) => [
      name,
      ...(secret ? [`${name}_FILE`] : []),
    ]);
    expect([...ours, 'NODE_EXTRA_CA_CERTS']).toEqual(expect.arrayContaining(set));
    const missing = environmentTable.filter(
      ({ name }) =>
        ![name, `${name}_FILE`].some((each) => set.includes(each)) &&
        !settable.includes(name) &&
        !notInCluster.has(name),
    );
    expect(missing).toEqual([]);
  });

  test('get large numbers as they are written', async () => {
    const { worker } = await rolesOf(everything);
    expect(worker?.env).toContainEqual({ name: 'HEPHY_MAX_PUSH_MB', value: '9999999' });
  });

  test('of the worker send spans of builds where a setting says', async () => {
    const set = {
      HEPHY_KANIKO_VERSION: '1.28.2',
      HEPHY_KANIKO_TELEMETRY_URL: 'https://spans.example.com:4318',
    };
    const { worker } = await rolesOf({
      ...least,
      kaniko: { ...least.kaniko, version: set.HEPHY_KANIKO_VERSION },
      settings: { HEPHY_KANIKO_TELEMETRY_URL: set.HEPHY_KANIKO_TELEMETRY_URL },
    });
    expect(worker?.env).toEqual(
      expect.arrayContaining(Object.entries(set).map(([name, value]) => ({ name, value }))),
    );
  });

  test.each([
    ['of the operator’s own', everything],
    ['of the chart', written],
  ])(
    'have the secrets that they need, %s, and each file that a variable names',
    async (_, values) => {
      const pods = Object.entries(await rolesOf(values));
      const files = pods.map(([role, { env, volumes }]) => {
        const named = env.flatMap(({ name, value = '' }) =>
          name.endsWith('_FILE') ? [value] : [],
        );
        const { projected } = Secrets.parse(volumes.find(({ name }) => name === 'secrets'));
        const mounted = projected.sources.flatMap(({ secret }) =>
          secret.items.map(({ path }) => path),
        );
        expect(named).toEqual(mounted.map((path) => `/run/hephy/${path}`));
        return [role, mounted];
      });
      const stores = ['HEPHY_DATABASE_URL', 'HEPHY_REDIS_URL'];
      expect(Object.fromEntries(files)).toEqual({
        receiver: [...stores, 'HEPHY_S3_SECRET_ACCESS_KEY'],
        worker: [
          ...stores,
          'HEPHY_BUILDER_PASSWORD',
          'HEPHY_BUILDER_PULL_CONFIG',
          'HEPHY_S3_SECRET_ACCESS_KEY',
        ],
        publisher: [...stores, 'HEPHY_REGISTRY_PASSWORD'],
        api: stores,
      });
    },
  );

  test('are each their own service account, and only the worker’s has a token and rights', async () => {
    const pods = await rolesOf(least);
    for (const role of roles) {
      expect(pods[role]).toMatchObject({
        serviceAccountName: `hephy-${role}`,
        automountServiceAccountToken: role === 'worker',
        enableServiceLinks: false,
      });
    }
    const objects = await render(least);
    const bindings = objects.filter(({ kind }) => kind.endsWith('RoleBinding'));
    const worker = { kind: 'ServiceAccount', name: 'hephy-worker', namespace: 'hephy' };
    expect(bindings.map(({ subjects }) => subjects)).toEqual([[worker], [worker]]);
  });

  test('that push ask a program who they are, where there is one, and are who a cloud knows', async () => {
    const pods = await rolesOf(known);
    const asking = roles.filter((role) =>
      pods[role]?.env.some(({ name }) => name === 'HEPHY_REGISTRY_CREDENTIAL_HELPER'),
    );
    expect(asking).toEqual(['worker', 'publisher']);
    const accounts = (await render(known)).filter(({ kind }) => kind === 'ServiceAccount');
    const annotated = accounts.filter(({ metadata }) => metadata['annotations'] !== undefined);
    expect(annotated.map(({ metadata: { name } }) => name)).toEqual([
      'hephy-worker',
      'hephy-publisher',
    ]);
  });

  test('of builds have the service account that is named, which has no rights and no token', async () => {
    const objects = await render(everything);
    const account = objects.find(
      ({ kind, metadata: { name } }) => kind === 'ServiceAccount' && name === 'puller',
    );
    expect(account).toMatchObject({
      metadata: { namespace: 'their-builds', annotations: { 'cloud.example.com/role': 'images' } },
      automountServiceAccountToken: false,
    });
    const bindings = objects.filter(({ kind }) => kind.endsWith('RoleBinding'));
    expect(JSON.stringify(bindings)).not.toContain('puller');
    expect((await rolesOf(everything))['worker']?.env).toEqual(
      expect.arrayContaining([
        { name: 'HEPHY_BUILDER_SERVICE_ACCOUNT', value: 'puller' },
        { name: 'HEPHY_IMAGE_PULL_SECRETS', value: 'pull,mirror' },
      ]),
    );
  });

  test('mount nothing that they do not name, and trust the authorities that are given', async () => {
    for (const values of [least, trial, everything]) {
      for (const { volumes, volumeMounts, env } of Object.values(await rolesOf(values))) {
        const names = volumes.map(({ name }) => name);
        expect(volumeMounts.map(({ name }) => name).toSorted()).toEqual(names.toSorted());
        const trusted = env.find(({ name }) => name === 'NODE_EXTRA_CA_CERTS')?.value;
        const mounted = volumeMounts.find(({ name }) => name === 'certificates')?.mountPath;
        expect(trusted).toBe(mounted && `${mounted}/ca.pem`);
        expect(mounted === undefined).toBe(values !== everything);
      }
    }
  });

  test('of builds find a volume for layers, and the authorities, in their own namespace', async () => {
    const objects = await render(everything);
    const ours = objects.filter(({ metadata: { name } }) =>
      ['hephy-cache', 'hephy-certificates'].includes(name),
    );
    expect(ours.map(({ kind, metadata: { namespace } }) => `${kind} of ${namespace}`)).toEqual([
      'ConfigMap of their-builds',
      'ConfigMap of hephy',
      'PersistentVolumeClaim of their-builds',
    ]);
    expect(ours.at(-1)?.['spec']).toEqual({
      accessModes: ['ReadWriteMany'],
      resources: { requests: { storage: '100Gi' } },
      storageClassName: 'nfs',
    });
    expect((await rolesOf(everything))['worker']?.env).toEqual(
      expect.arrayContaining([
        { name: 'HEPHY_CERTIFICATES', value: 'hephy-certificates' },
        { name: 'HEPHY_CACHE_CLAIM', value: 'hephy-cache' },
        { name: 'HEPHY_CACHE_REPOSITORY', value: 'oci:/cache/${REPOSITORY}/${ARCH}' },
      ]),
    );
  });

  test('have a disk of their own for what is on its way to a bucket, where one is asked for', async () => {
    const spools = Object.entries(await rolesOf(everything)).flatMap(([role, pod]) =>
      pod.volumeMounts
        .filter(({ mountPath }) => mountPath === '/var/lib/hephy/spool')
        .map(({ name }) => [role, pod.volumes.find((volume) => volume.name === name)]),
    );
    const spec = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '5Gi' } } };
    expect(spools).toEqual([
      ['receiver', { name: 'spool', ephemeral: { volumeClaimTemplate: { spec } } }],
    ]);
  });

  test('run the workers beside the receiver only where their volume is on one node', async () => {
    const bound = await Promise.all(
      [least, shared, everything].map(
        async (values) => (await rolesOf(values))['worker']?.affinity,
      ),
    );
    expect(bound.map((affinity) => affinity !== undefined)).toEqual([true, false, false]);
  });

  test('are never privileged, and have nothing of a node', async () => {
    for (const values of [trial, everything]) {
      expect(await templateChart({ values })).not.toMatch(
        /privileged|hostPath|hostNetwork|hostPID|hostIPC|SYS_ADMIN/,
      );
    }
  });
});

test('the plain manifests are what the chart makes', async () => {
  for (const { path, text } of await renderManifests(root, templateChart)) {
    expect(await readFile(join(root, path), 'utf8'), `${path}: run npm run manifests`).toBe(text);
  }
});
