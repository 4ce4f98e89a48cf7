import type { Readable } from 'node:stream';
import { Agent, request } from 'undici';
import type { Dispatcher } from 'undici';
import { printable, redactUrl, RegistryFailure } from './failure.ts';
import type { RegistryLimits } from './limits.ts';
import { checkAddress, lookupBy, type Reach } from './reach.ts';

export interface HttpRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE';
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | Readable;
  readonly signal?: AbortSignal;
}

export interface HttpAnswer {
  readonly method: string;
  readonly url: URL;
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** The whole body. Throws `ManifestTooLarge` beyond `maxBytes`, and reads no further. */
  read(maxBytes: number): Promise<Uint8Array>;
  /** Gives the connection back. */
  drain(): Promise<void>;
}

export interface Http {
  /** One request, one answer of any status; redirects are answers. */
  send(request: HttpRequest): Promise<HttpAnswer>;
  close(): Promise<void>;
}

/** HTTP over connections that are kept and counted: the agent queues what is beyond the cap of a host. */
export function createHttp(limits: RegistryLimits, reach?: Reach): Http {
  const agent = new Agent({
    connections: limits.connections,
    connect: { timeout: limits.connectTimeoutMs, ...(reach && { lookup: lookupBy(reach) }) },
    headersTimeout: limits.silenceTimeoutMs,
    bodyTimeout: limits.silenceTimeoutMs,
  });
  return {
    send: (sent) => send(sent, { agent, limits, reach }),
    close: () => agent.destroy(),
  };
}

async function send(
  sent: HttpRequest,
  { agent, limits, reach }: { agent: Agent; limits: RegistryLimits; reach: Reach | undefined },
): Promise<HttpAnswer> {
  const { method, url, headers, body } = sent;
  const signal = exchangeSignal(sent, limits);
  try {
    if (reach) await checkAddress(url, reach);
    const answer = await request(url, {
      dispatcher: agent,
      method,
      headers,
      signal,
      // By itself undici closes the connection after a HEAD, for servers that answer one with a body. From
      // such a server the next answer is not HTTP, and that request is tried again.
      reset: false,
      ...(body && { body }),
    });
    return {
      method,
      url,
      status: answer.statusCode,
      headers: answer.headers,
      read: (maxBytes) => read(answer.body, { maxBytes, sent }),
      drain: () => drain(answer.body, { limit: limits.errorBytes, sent }),
    };
  } catch (error) {
    throw connectionFailure(error, sent);
  }
}

function exchangeSignal({ body, signal }: HttpRequest, limits: RegistryLimits): AbortSignal | null {
  const isStream = body !== undefined && !(body instanceof Uint8Array);
  if (isStream) return signal ?? null;
  const timeout = AbortSignal.timeout(limits.exchangeTimeoutMs);
  return signal ? AbortSignal.any([signal, timeout]) : timeout;
}

async function read(
  body: AsyncIterable<Uint8Array>,
  { maxBytes, sent }: { maxBytes: number; sent: HttpRequest },
): Promise<Uint8Array> {
  const { method, url } = sent;
  const parts: Uint8Array[] = [];
  let sizeBytes = 0;
  try {
    for await (const part of body) {
      sizeBytes += part.length;
      if (sizeBytes > maxBytes) {
        throw new RegistryFailure(
          `${url.host} answered more than ${maxBytes} bytes to ${method} ${url.pathname}`,
          { reason: 'ManifestTooLarge', temporary: false, method, url: redactUrl(url) },
        );
      }
      parts.push(part);
    }
  } catch (error) {
    throw error instanceof RegistryFailure ? error : connectionFailure(error, sent);
  }
  return Buffer.concat(parts);
}

async function drain(
  body: Dispatcher.ResponseData['body'],
  { limit, sent }: { limit: number; sent: HttpRequest },
): Promise<void> {
  try {
    await body.dump({ limit });
  } catch (error) {
    throw connectionFailure(error, sent);
  }
}

/** Failures that a further try can't mend: the certificate is not the one of that host. */
const certificateFailure = /CERT|SELF_SIGNED|UNABLE_TO_(?:VERIFY|GET)/;

/** The caller's own abort stays the caller's reason; everything else is the registry's failure. */
function connectionFailure(error: unknown, { method, url, signal }: HttpRequest): unknown {
  if (signal?.aborted) return signal.reason;
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const message = error instanceof Error ? error.message : String(error);
  const said = printable([code, message].filter((part) => part !== '').join(' '));
  return new RegistryFailure(
    `${url.host} did not answer ${method} ${url.pathname}: ${said}`,
    {
      reason: 'RegistryUnavailable',
      temporary: !certificateFailure.test(code),
      method,
      url: redactUrl(url),
    },
    { cause: error },
  );
}
