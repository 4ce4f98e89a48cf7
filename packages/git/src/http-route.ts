export type GitOperation = 'receive' | 'upload';

export interface GitRoute {
  appName: string;
  operation: GitOperation;
  phase: 'advertise' | 'service';
}

export interface RouteRefusal {
  status: number;
  message: string;
  headers?: Record<string, string>;
}

export type RouteResult = { ok: true; route: GitRoute } | ({ ok: false } & RouteRefusal);

const repositoryUrl =
  /^\/([a-z][a-z0-9-]{0,62})\.git\/(info\/refs|git-receive-pack|git-upload-pack)$/;
const services = new Map<string, GitOperation>([
  ['git-receive-pack', 'receive'],
  ['git-upload-pack', 'upload'],
]);

export interface RequestHead {
  method: string | undefined;
  url: string | undefined;
  contentType: string | undefined;
  contentEncoding: string | undefined;
}

/**
 * What a request asks for, decided by method and path alone: `service=` and the content type have to
 * agree with it. Everything but the three requests of git's smart HTTP protocol (gitprotocol-http) is
 * refused; `/HEAD`, nested paths and `..` are among that.
 */
export function routeOf(head: RequestHead): RouteResult {
  const [path, query] = splitQuery(head.url ?? '');
  const match = repositoryUrl.exec(path);
  if (!match?.[1] || !match[2]) {
    return refuse(404, 'no repository here; its address is /<app>.git');
  }
  return match[2] === 'info/refs'
    ? advertisement(match[1], { ...head, query })
    : service(match[1], { ...head, query, name: match[2] });
}

function advertisement(appName: string, head: RequestHead & { query: string }): RouteResult {
  if (head.method !== 'GET') return methodNotAllowed('GET');
  const asked = new URLSearchParams(head.query).getAll('service');
  const operation = services.get(asked[0] ?? '');
  if (asked.length !== 1 || operation === undefined) {
    return refuse(
      400,
      'service= has to be git-receive-pack or git-upload-pack; use git 1.6.6 or newer',
    );
  }
  return { ok: true, route: { appName, operation, phase: 'advertise' } };
}

function service(
  appName: string,
  head: RequestHead & { query: string; name: string },
): RouteResult {
  if (head.method !== 'POST') return methodNotAllowed('POST');
  const operation = services.get(head.name);
  if (operation === undefined || head.query !== '') return refuse(400, 'no query belongs here');
  if (head.contentType !== `application/x-${head.name}-request`) {
    return refuse(415, `the content type has to be application/x-${head.name}-request`);
  }
  const encoding = head.contentEncoding ?? 'identity';
  const encodings = operation === 'receive' ? ['identity'] : ['identity', 'gzip', 'x-gzip'];
  if (!encodings.includes(encoding))
    return refuse(415, 'this content encoding is not accepted here');
  return { ok: true, route: { appName, operation, phase: 'service' } };
}

function methodNotAllowed(allow: string): RouteResult {
  return { ...refuse(405, `only ${allow} is answered here`), headers: { allow } };
}

function refuse(status: number, message: string): { ok: false } & RouteRefusal {
  return { ok: false, status, message };
}

function splitQuery(url: string): [string, string] {
  const at = url.indexOf('?');
  return at < 0 ? [url, ''] : [url.slice(0, at), url.slice(at + 1)];
}
