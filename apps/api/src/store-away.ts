/**
 * Whether an error says that the database cannot be reached, or takes no statements now, rather than that a statement
 * was wrong. Looks through causes.
 * Source: Node's system errors; PostgreSQL, appendix A: class 08 (connection), 53 (resources), 57P0x (shutdown), 57014
 * (statement timeout).
 */
export function isStoreAway(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const code = 'code' in cause && typeof cause.code === 'string' ? cause.code : '';
    if (networkCodes.has(code) || /^(08...|53...|57P0\d|57014)$/.test(code)) return true;
    if (awayMessages.test(cause.message)) return true;
    if (cause instanceof AggregateError && cause.errors.some(isStoreAway)) return true;
  }
  return false;
}

const networkCodes = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EPIPE',
  'ETIMEDOUT',
]);

/** What `pg` and our pools throw without a code. */
const awayMessages =
  /^(Connection terminated|timeout exceeded when trying to connect|timeout expired|Query read timeout|Client has encountered a connection error|the database was busy|this database connection was given up|PGlite is closed)/i;
