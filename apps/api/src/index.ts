export { createApi } from './create-api.ts';
export type { ApiDeps, ApiLimits } from './deps.ts';
