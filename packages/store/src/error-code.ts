/** The `code` of an error of Node (`ENOENT`) or of PostgreSQL (`23505`), if it has one. */
export function errorCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/** Source: PostgreSQL, appendix A, error codes. */
export function isUniqueViolation(error: unknown): boolean {
  return errorCode(error) === '23505';
}
