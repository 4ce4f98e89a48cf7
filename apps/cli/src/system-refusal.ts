/** What the operating system refused at a start, as one sentence for whoever can mend it. */
import type { ListenAddress, Settings } from '@hephy/runtime';
import { z } from 'zod';

/** Source: Node's documentation, "Errors", SystemError. */
const SystemError = z.object({
  code: z.string(),
  syscall: z.string(),
  path: z.string().optional(),
  address: z.string().optional(),
  hostname: z.string().optional(),
  port: z.number().optional(),
});
type SystemError = z.infer<typeof SystemError>;

/** Undefined if the system did not refuse, or for a reason that nobody can be told how to mend. */
export function systemRefusal(
  error: unknown,
  listen: Partial<Settings['listen']> = {},
): string | undefined {
  const { data: system } = SystemError.safeParse(error);
  const sentence = system && (listenRefusal(system, listen) ?? fileRefusal(system));
  if (sentence || !(error instanceof Error) || error.cause === undefined) return sentence;
  return systemRefusal(error.cause, listen);
}

const listenReasons: Readonly<Record<string, string>> = {
  EADDRINUSE: 'something else listens there',
  EADDRNOTAVAIL: 'this machine has no such address',
  EACCES: 'this user may not',
  ENOTFOUND: 'no such name',
};

function listenRefusal(
  { code, syscall, address, hostname, port }: SystemError,
  listen: Partial<Settings['listen']>,
): string | undefined {
  const host = address ?? hostname;
  const reason = listenReasons[code];
  if (!host || !reason || !['listen', 'getaddrinfo'].includes(syscall)) return undefined;
  const fits = (wanted: ListenAddress | null | undefined): boolean =>
    wanted?.host === host && (port === undefined || wanted.port === port);
  const name = (['git', 'api', 'registry', 'health'] as const).find((one) => fits(listen[one]));
  const place = port === undefined ? host : `${host}:${port}`;
  const next = name ? `; set HEPHY_LISTEN_${name.toUpperCase()} to another host:port` : '';
  return `cannot listen on ${place}: ${reason}${next}`;
}

const fileReasons: Readonly<Record<string, string>> = {
  EACCES: 'this user may not write there',
  EPERM: 'this user may not write there',
  EROFS: 'nothing can be written there',
  ENOSPC: 'no space is left there',
  EEXIST: 'it is a file, not a folder',
  ENOTDIR: 'it is not below a folder',
};

function fileRefusal({ code, path }: SystemError): string | undefined {
  const reason = fileReasons[code];
  if (!path || !reason) return undefined;
  return `cannot use ${path}: ${reason}; choose another data folder with --data or HEPHY_DATA`;
}
