/** The most of an error that is stored, in characters. */
const STORED_ERROR_LENGTH = 2_000

/** One line for people: the message, and the code where there is one. Never throws, whatever was thrown. */
export function describeError(error: unknown): string {
  let text: string
  try {
    text = error instanceof Error ? textOfError(error) : String(error)
  } catch {
    // A getter or toString() of the error threw.
    text = 'an error without a message'
  }
  // PostgreSQL text cannot hold U+0000.
  return text.replaceAll('\0', '').slice(0, STORED_ERROR_LENGTH).toWellFormed()
}

function textOfError(error: Error): string {
  const code = 'code' in error && typeof error.code === 'string' ? ` [${error.code}]` : ''
  const message = error.message || error.name
  // Most of our errors already include the text of their cause.
  const cause = error.cause instanceof Error && !message.includes(error.cause.message) ? error.cause.message : ''
  return `${message}${code}${cause && `; caused by ${cause}`}`
}
