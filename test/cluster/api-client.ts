import { readFile } from 'node:fs/promises';
import { Agent, request } from 'node:https';
import { join } from 'node:path';
import type { Layout } from './layout.ts';

export interface ApiAnswer {
  readonly status: number;
  /** Parsed if it is JSON, else text. */
  readonly body: unknown;
}

/** The Kubernetes API as the cluster's administrator, for what a test looks at and sets up. */
export interface ApiClient {
  /** `path` is the API's own, such as `/api/v1/nodes`. Throws if the answer is not 2xx. */
  get(path: string): Promise<unknown>;
  /** Any answer, a refusal too. */
  send(method: string, path: string, body?: unknown): Promise<ApiAnswer>;
  isReady(): Promise<boolean>;
  close(): void;
}

const requestTimeoutMs = 30_000;

/** `certificates` is the folder of `makeCertificates`. */
export async function createApiClient(layout: Layout, certificates: string): Promise<ApiClient> {
  const read = (name: string) => readFile(join(certificates, name));
  const [ca, cert, key] = await Promise.all(['ca.crt', 'admin.crt', 'admin.key'].map(read));
  const agent = new Agent({ ca, cert, key, keepAlive: true });
  const sendText = (method: string, path: string, body?: unknown) =>
    exchange({ url: new URL(path, layout.apiServer), method, body, agent });
  const send = async (method: string, path: string, body?: unknown) => {
    const { status, text } = await sendText(method, path, body);
    const isJson = text.startsWith('{');
    return { status, body: isJson ? (JSON.parse(text) as unknown) : text };
  };
  return {
    send,
    get: async (path: string) => {
      const { status, body } = await send('GET', path);
      if (status === 200) return body;
      throw new Error(`GET ${path} was answered ${status}: ${JSON.stringify(body)}`);
    },
    isReady: () =>
      sendText('GET', '/readyz').then(
        ({ status }) => status === 200,
        () => false,
      ),
    close: () => agent.destroy(),
  };
}

async function exchange(asked: {
  url: URL;
  method: string;
  body: unknown;
  agent: Agent;
}): Promise<{ status: number; text: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; text: string }>();
  const { url, method, body, agent } = asked;
  const isPatch = method === 'PATCH';
  const headers = {
    'Content-Type': isPatch ? 'application/merge-patch+json' : 'application/json',
  };
  const options = { method, agent, headers, timeout: requestTimeoutMs };
  const sent = request(url, options, (answer) => {
    const parts: Buffer[] = [];
    answer.on('data', (part: Buffer) => parts.push(part));
    answer.on('error', reject);
    answer.on('end', () =>
      resolve({ status: answer.statusCode ?? 0, text: Buffer.concat(parts).toString() }),
    );
  });
  sent.on('timeout', () =>
    sent.destroy(new Error(`no answer within ${requestTimeoutMs / 1000} s`)),
  );
  sent.on('error', reject);
  sent.end(body === undefined ? undefined : JSON.stringify(body));
  return promise;
}
