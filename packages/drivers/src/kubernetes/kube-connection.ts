/**
 * The way to the API server: its address, the caller's credentials, and the connections. The client library reads the
 * configuration and knows the ways to authenticate; the connections are ours, because its own are new for each request.
 */
import { createHash } from 'node:crypto';
import type { AgentOptions, RequestOptions } from 'node:https';
import { createSecureContext } from 'node:tls';
import type { KubeConfig } from '@kubernetes/client-node';
import { Agent, ProxyAgent, type buildConnector, type Dispatcher } from 'undici';
import { KubeFailure } from './kube-failure.ts';

const connectTimeoutMs = 10_000;
/** Calls queue for one of these; a stream has a connection of its own, however many there are. */
const callConnections = 16;

export interface Access {
  readonly headers: Readonly<Record<string, string>>;
  readonly calls: Dispatcher;
  readonly streams: Dispatcher;
}

export interface KubeConnection {
  /** The address of the API server, without a slash at its end. */
  readonly server: string;
  /** Credentials as they are now: tokens and certificates are renewed while we run. */
  access(): Promise<Access>;
  close(): Promise<void>;
}

/** Reads a kubeconfig file; without one, what a pod is given. The library takes 86 MB, so it is loaded only here. */
export async function loadKubeConfig(file: string | undefined): Promise<KubeConfig> {
  const { KubeConfig } = await import('@kubernetes/client-node');
  const kubeConfig = new KubeConfig();
  if (file === undefined) kubeConfig.loadFromCluster();
  else kubeConfig.loadFromFile(file);
  return kubeConfig;
}

export function connectTo(kubeConfig: KubeConfig): KubeConnection {
  const server = kubeConfig.getCurrentCluster()?.server.replace(/\/+$/, '');
  if (server === undefined)
    throw new Error('the kubeconfig names no cluster for its current context');
  let open: { pools: Pools; fingerprint: string } | undefined;
  return {
    server,
    async access() {
      const { headers, tls } = await authenticate(kubeConfig);
      const options = kubeConfig.createDispatcherOptions(kubeConfig.getCurrentCluster(), tls);
      const fingerprint = fingerprintOf(options);
      if (open?.fingerprint !== fingerprint) {
        // What is under way on the old certificate goes on to its end.
        void open?.pools.calls.close();
        void open?.pools.streams.close();
        open = { pools: openPools(options), fingerprint };
      }
      return { headers, ...open.pools };
    },
    async close() {
      await Promise.all([open?.pools.calls.destroy(), open?.pools.streams.destroy()]);
    },
  };
}

type DispatcherOptions = ReturnType<KubeConfig['createDispatcherOptions']>;
type Pools = Pick<Access, 'calls' | 'streams'>;

function openPools(options: DispatcherOptions): Pools {
  return {
    calls: openDispatcher(options, { connections: callConnections }),
    streams: openDispatcher(options, {}),
  };
}

/** HTTP/1.1, so that a log which nobody reads holds back its own connection and no other. */
function openDispatcher(options: DispatcherOptions, pool: { connections?: number }): Dispatcher {
  const shared = { ...pool, allowH2: false, connectTimeout: connectTimeoutMs };
  switch (options.type) {
    case 'proxy': {
      const { uri } = options;
      const requestTls = connectorOptions(options.requestTls);
      return new ProxyAgent({
        ...shared,
        uri,
        requestTls,
        connect: connectorOptions(options.connect),
      });
    }
    case 'socks':
      throw new Error('the kubeconfig asks for a SOCKS proxy; only HTTP proxies are supported');
    case 'agent':
      return new Agent({ ...shared, connect: connectorOptions(options.connect) });
    case 'none':
      return new Agent(shared);
  }
}

/** Node's options for TLS, which undici hands on to Node, by undici's narrower type. */
function connectorOptions(options: object): buildConnector.BuildOptions {
  // Made once: a connection that makes its own holds the parsed certificates again, and parses them each time.
  const secureContext = createSecureContext(options);
  return { ...options, secureContext, timeout: connectTimeoutMs };
}

async function authenticate(
  kubeConfig: KubeConfig,
): Promise<{ headers: Record<string, string>; tls: AgentOptions }> {
  const options: RequestOptions = {};
  try {
    await kubeConfig.applyToHTTPSOptions(options);
  } catch (cause) {
    throw new KubeFailure(
      'the credentials for the API server cannot be read',
      { reason: 'NoCredentials', temporary: false },
      { cause },
    );
  }
  const { headers: added, auth, ca, cert, key, pfx, passphrase, rejectUnauthorized } = options;
  const headers: Record<string, string> = {};
  if (auth) headers['authorization'] = `Basic ${Buffer.from(auth).toString('base64')}`;
  for (const [name, value] of Object.entries(added ?? {})) headers[name] = String(value);
  const { servername } = options;
  const tls = { ca, cert, key, pfx, passphrase, rejectUnauthorized, servername };
  const given = Object.entries(tls).filter(([, value]) => value !== undefined);
  return { headers, tls: Object.fromEntries(given) };
}

function fingerprintOf(options: DispatcherOptions): string {
  return createHash('sha256').update(JSON.stringify(options)).digest('hex');
}
