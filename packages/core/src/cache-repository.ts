/**
 * Where the layers of a build are kept for the next one, as a template: `${REPOSITORY}/cache-${ARCH}` is a repository below
 * the image's own, `oci:/cache/${ARCH}` a folder that is mounted into the builder.
 */
const placeholders = ['REPOSITORY', 'OS', 'ARCH', 'VARIANT'];

const repositoryName =
  /^(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])(?::\d{1,5})?(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)+$/;
const folderName = /^oci:(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9._:-]+)+$/;

/** Why an operator's template can't be used, as a sentence; undefined when it can. */
export function cacheTemplateProblem(template: string): string | undefined {
  const known = placeholders.map((name) => `\${${name}}`);
  const unknown = template.match(/\$\{[^}]*\}?/g)?.find((found) => !known.includes(found));
  if (unknown !== undefined) {
    return `the cache repository "${template}" has the placeholder ${unknown}; use ${known.join(', ')}`;
  }
  // The layers above `FROM scratch` have the same keys on every architecture.
  if (!template.includes('${ARCH}')) {
    return `the cache repository "${template}" is one for all architectures; put \${ARCH} into it`;
  }
  const samples = ['linux/amd64', 'linux/arm/v7'].map((platform) =>
    cacheRepository(template, { platform, destination: 'registry.example.com:5000/shop:b-1' }),
  );
  const wrong = samples.find((name) => !repositoryName.test(name) && !folderName.test(name));
  if (wrong === undefined) return undefined;
  return `the cache repository "${template}" becomes "${wrong}", which is not registry/repository, nor oci:/folder`;
}

/** The same for an app's own: whoever may write to another app's cache decides what that app is built from. */
export function appCacheTemplateProblem(template: string): string | undefined {
  if (!template.startsWith('${REPOSITORY}/')) {
    return `the cache repository "${template}" is not the app's own; begin it with \${REPOSITORY}/`;
  }
  return cacheTemplateProblem(template);
}

/** A variant that the platform doesn't have takes the character before its placeholder with it. */
export function cacheRepository(
  template: string,
  { platform, destination }: { readonly platform: string; readonly destination: string },
): string {
  const [os = '', architecture = '', variant = ''] = platform.split('/');
  const values: Readonly<Record<string, string>> = {
    REPOSITORY: destination.slice(0, destination.lastIndexOf(':')),
    OS: os,
    ARCH: architecture,
    VARIANT: variant,
  };
  return template.replaceAll(/([-._/]?)\$\{([A-Z]+)\}/g, (_, before: string, name: string) => {
    const value = values[name] ?? '';
    return value === '' ? '' : before + value;
  });
}
