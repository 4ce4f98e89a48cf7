/** git's own `git http-backend`, as a CGI program behind `node:http`: what serves a repository without any of ours. */
import { spawn } from 'node:child_process';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface HttpBackend {
  readonly url: string;
  close(): Promise<void>;
}

/** Serves the repositories under `root` to whoever sends these credentials, as basic authentication. */
export async function startHttpBackend(input: {
  root: string;
  username: string;
  password: string;
}): Promise<HttpBackend> {
  const { root, username, password } = input;
  const basic = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
  const server = createServer((request, response) => {
    if (request.headers.authorization === basic)
      return serve({ request, response, root, username });
    response.writeHead(401, { 'www-authenticate': 'Basic realm="git"' }).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Source: RFC 3875, and git-http-backend(1), "ENVIRONMENT". */
function serve(exchange: {
  request: IncomingMessage;
  response: ServerResponse;
  root: string;
  username: string;
}): void {
  const { request, response, root, username } = exchange;
  const [path = '', query = ''] = (request.url ?? '').split('?');
  const child = spawn('git', ['http-backend'], {
    env: {
      PATH: process.env['PATH'] ?? '/usr/bin:/bin',
      GIT_PROJECT_ROOT: root,
      GIT_HTTP_EXPORT_ALL: '1',
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_CONFIG_GLOBAL: '/dev/null',
      REMOTE_USER: username,
      REQUEST_METHOD: request.method ?? '',
      PATH_INFO: path,
      QUERY_STRING: query,
      CONTENT_TYPE: request.headers['content-type'] ?? '',
    },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  request.pipe(child.stdin);
  let head = Buffer.alloc(0);
  child.stdout.on('data', (bytes: Buffer) => {
    if (response.headersSent) {
      response.write(bytes);
      return;
    }
    head = Buffer.concat([head, bytes]);
    const end = head.indexOf('\r\n\r\n');
    if (end < 0) return;
    sendHead(response, head.subarray(0, end).toString('latin1'));
    response.write(head.subarray(end + 4));
  });
  child.once('close', () => response.end());
}

function sendHead(response: ServerResponse, text: string): void {
  const fields = text.split('\r\n').map((line) => line.split(/: */, 2));
  const status = fields.find(([name]) => name?.toLowerCase() === 'status')?.[1] ?? '200';
  response.statusCode = Number.parseInt(status, 10);
  for (const [name = '', value = ''] of fields) {
    if (name.toLowerCase() !== 'status') response.setHeader(name, value);
  }
  response.flushHeaders();
}
