/** The message of whatever was thrown. Node's AggregateError, of a connect to several addresses, has only a code. */
export function errorMessage(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.message || ('code' in error && typeof error.code === 'string' ? error.code : error.name)
}
