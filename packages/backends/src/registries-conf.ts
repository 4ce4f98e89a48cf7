export interface Mirror {
  /** What a Dockerfile names: a registry, or a prefix of repositories, such as `docker.io`. */
  readonly from: string;
  /** Where it is taken from instead, and from nowhere else: `host[:port][/prefix]`. */
  readonly to: string;
  /** Plain http, or a certificate that nobody knows. */
  readonly insecure: boolean;
}

/**
 * A containers-registries.conf(5). A mirror replaces its registry: when it does not answer, nobody else is asked. A short
 * name (`FROM debian`) is one of docker.io, as every Dockerfile means it, and goes to docker.io's mirror if there is one.
 * The machine's own aliases (`registries.conf.d/shortnames.conf`) come before that; a mirror of their registry holds too.
 */
export function renderRegistriesConf(input: {
  readonly mirrors: readonly Mirror[];
  /** `host[:port]` of registries that speak http. */
  readonly plainRegistries: readonly string[];
}): string {
  const tables = [
    ...input.mirrors.map(({ from, to, insecure }) =>
      table([`prefix = ${quoted(from)}`, `location = ${quoted(to)}`, `insecure = ${insecure}`]),
    ),
    ...input.plainRegistries
      .filter((registry) => !input.mirrors.some(({ from }) => from === registry))
      .map((registry) => table([`location = ${quoted(registry)}`, 'insecure = true'])),
  ];
  return [
    'unqualified-search-registries = ["docker.io"]',
    'short-name-mode = "disabled"',
    ...tables,
    '',
  ].join('\n');
}

function table(lines: readonly string[]): string {
  return ['', '[[registry]]', ...lines].join('\n');
}

/** Registry names and prefixes need no escaping; anything else is a mistake in the configuration. */
function quoted(value: string): string {
  if (!/^[A-Za-z0-9._:/*[\]-]+$/.test(value)) throw new Error(`"${value}" is not a registry name`);
  return `"${value}"`;
}
