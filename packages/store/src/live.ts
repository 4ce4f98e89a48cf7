import { buildStates, isTerminal } from '@hephy/core';
import { sql } from 'kysely';

const liveStates = buildStates.filter((state) => !isTerminal(state)).map((state) => `'${state}'`);

/** Holds for builds that have not ended. Literals, not parameters: only so the partial indexes are used. */
export const isLive = sql<boolean>`builds.state in (${sql.raw(liveStates.join(', '))})`;
