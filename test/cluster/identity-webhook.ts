/**
 * A cloud's workload identity, as EKS and AKS have it: a webhook of the cluster that mounts a token of the pod's service
 * account, made for the cloud, into each of its containers. Source: aws/amazon-eks-pod-identity-webhook, README.
 */
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { z } from 'zod';
import { makeCertificate } from '../parts/certificate.ts';
import type { Cluster } from './start-cluster.ts';

export interface IdentityWebhook {
  /** Of the token, in each container. */
  readonly tokenFile: string;
  readonly audience: string;
  close(): Promise<void>;
}

const audience = 'sts.example.com';
const mountPath = '/var/run/secrets/cloud.example.com/serviceaccount';
const volume = {
  name: 'cloud-token',
  projected: { sources: [{ serviceAccountToken: { audience, path: 'token' } }] },
};
const mount = { name: volume.name, mountPath, readOnly: true };

const Container = z.looseObject({ volumeMounts: z.array(z.unknown()).default([]) });
const Review = z.object({
  request: z.object({
    uid: z.string(),
    object: z.object({
      spec: z.object({
        volumes: z.array(z.unknown()).default([]),
        initContainers: z.array(Container).default([]),
        containers: z.array(Container),
      }),
    }),
  }),
});

/** For the pods of the namespace. */
export async function startIdentityWebhook(
  { api, registry }: Cluster,
  namespace: string,
): Promise<IdentityWebhook> {
  const host = registry.split(':')[0] ?? '';
  const { certificate, key } = await makeCertificate(host);
  const server = createServer({ cert: certificate, key }, (request, response) => {
    void text(request).then((body) => response.end(answer(body)));
  });
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  const { port } = server.address() as AddressInfo;
  const configurations = '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations';
  const created = await api.send('POST', configurations, {
    metadata: { name: namespace },
    webhooks: [
      {
        name: 'identity.cloud.example.com',
        admissionReviewVersions: ['v1'],
        sideEffects: 'None',
        namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } },
        rules: [
          { apiGroups: [''], apiVersions: ['v1'], resources: ['pods'], operations: ['CREATE'] },
        ],
        clientConfig: {
          url: `https://${host}:${port}/`,
          caBundle: Buffer.from(certificate).toString('base64'),
        },
      },
    ],
  });
  if (created.status !== 201) throw new Error(JSON.stringify(created.body));
  return {
    tokenFile: `${mountPath}/token`,
    audience,
    async close() {
      await api.send('DELETE', `${configurations}/${namespace}`);
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

function answer(body: string): string {
  const { uid, object } = Review.parse(JSON.parse(body)).request;
  const { volumes, initContainers, containers } = object.spec;
  const mounted = (all: typeof containers) =>
    all.map((one) => ({ ...one, volumeMounts: [...one.volumeMounts, mount] }));
  const patch = [
    { op: 'add', path: '/spec/volumes', value: [...volumes, volume] },
    { op: 'add', path: '/spec/initContainers', value: mounted(initContainers) },
    { op: 'add', path: '/spec/containers', value: mounted(containers) },
  ];
  const encoded = Buffer.from(JSON.stringify(patch)).toString('base64');
  const response = { uid, allowed: true, patchType: 'JSONPatch', patch: encoded };
  return JSON.stringify({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', response });
}
