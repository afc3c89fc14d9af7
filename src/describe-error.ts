/** The most of an error that is stored, in characters. */
const STORED_ERROR_LENGTH = 2_000

/** One line for people: the message, and the code where there is one. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return textOf(error).replaceAll('\0', '').slice(0, STORED_ERROR_LENGTH)
  const code = 'code' in error && typeof error.code === 'string' ? ` [${error.code}]` : ''
  const cause = error.cause instanceof Error ? `; caused by ${error.cause.message}` : ''
  // PostgreSQL text cannot hold U+0000.
  return `${error.message || error.name}${code}${cause}`.replaceAll('\0', '').slice(0, STORED_ERROR_LENGTH)
}

function textOf(error: unknown): string {
  try {
    return String(error)
  } catch {
    return 'an error without a text'
  }
}
