import { failureOf, type BuildOptions } from '@hephy/core';
import type { Driver } from '@hephy/drivers';

/** The driver, but a builder that its backend cannot make as the app asks is refused, and nothing is started. */
export function refuseOptions<D extends Driver>(
  driver: D,
  refusalOf: (options: BuildOptions) => string | undefined,
): D {
  return {
    ...driver,
    async startOrAdopt(spec) {
      const detail = spec.options && refusalOf(spec.options);
      if (detail === undefined) return driver.startOrAdopt(spec);
      const { platform } = spec;
      return { ok: false, failure: failureOf('OptionUnsupported', { platform, detail }) };
    },
  };
}
