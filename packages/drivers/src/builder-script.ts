import { fileURLToPath } from 'node:url';

/** The fixed program that every builder runs. */
export const builderScript = fileURLToPath(new URL('builder.bash', import.meta.url));
