/** What the values of variables look like. */
import { z } from 'zod';
import { Secret } from './secret.ts';

export interface ListenAddress {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
}

/** `host[:port][/prefix]`, without scheme, tag or digest. Source: the reference grammar of distribution. */
export const registryAddress = z
  .string()
  .regex(/^(?:[a-zA-Z0-9.-]+|\[[0-9a-fA-F:]+\])(?::\d{1,5})?(?:\/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*$/);

/** Source: RFC 1123, subdomain. */
export const kubernetesName = z.string().regex(/^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/);

/** `[registry/]repository[:tag][@digest]` */
export const imageReference = z.string().regex(/^[a-zA-Z0-9][\w.:/@-]{0,511}$/);

const effects = ['NoSchedule', 'PreferNoSchedule', 'NoExecute'] as const;

export const listenAddress = z
  .string()
  .regex(/^(?:\[[0-9a-fA-F:]+\]|[^:[\]/]+):\d{1,5}$/)
  .transform((text): ListenAddress => {
    const colon = text.lastIndexOf(':');
    const host = text.slice(0, colon).replace(/^\[|\]$/g, '');
    return { host, port: Number(text.slice(colon + 1)) };
  })
  .refine(({ port }) => port < 65_536);

export const count = z
  .string()
  .regex(/^[1-9]\d{0,2}$/)
  .transform(Number);

export const megabytes = z
  .string()
  .regex(/^[1-9]\d{0,6}$/)
  .transform((text) => Number(text) * 1024 ** 2);

export const list = z.string().transform((text) =>
  text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== ''),
);

/** As `kubectl taint` writes taints: `key[=value][:effect]`. */
export const tolerations = list.pipe(
  z.array(
    z
      .string()
      .regex(/^[\w./-]+(?:=[\w.-]*)?(?::[A-Za-z]+)?$/)
      .transform((item) => {
        const [taint = '', effect] = item.split(':');
        const [key = '', value] = taint.split('=');
        return { key, value, effect };
      })
      .refine(({ effect }) => effect === undefined || effects.some((one) => one === effect))
      .transform(({ key, value, effect }) => ({
        key,
        ...(value === undefined
          ? { operator: 'Exists' as const }
          : { operator: 'Equal' as const, value }),
        ...(effect !== undefined && { effect: effect as (typeof effects)[number] }),
      })),
  ),
);

export const mirrors = list.pipe(
  z.array(
    z
      .string()
      .regex(/^[^=\s]+=[^=\s]+$/)
      .transform((item) => {
        const [from = '', to = ''] = item.split('=');
        return { from, to };
      }),
  ),
);

/** An address of one of the protocols, such as `redis:`. */
export function url(...protocols: readonly string[]): z.ZodType<string> {
  return z.string().refine((text) => protocols.includes(URL.parse(text)?.protocol ?? ''));
}

/** Where an exporter of OTLP/HTTP sends to; it drops a query, and takes `/` for a path. Source: otlptracehttp, WithEndpointURL. */
export const collectorUrl = z
  .string()
  .max(500)
  .regex(/^https?:\/\/[\w[][\w.:[\]/%~-]*$/)
  .regex(/[^/]$/)
  .refine((text) => URL.canParse(text));

export function secret(schema: z.ZodType<string>): z.ZodType<Secret> {
  return schema.transform((text) => new Secret(text));
}
