/** A code as programs give them, and no message. */
const CODE = /^[\w.-]{1,64}$/

/** The code, which our errors and system errors have, or else the class: few different values, for labels. */
export function errorType(error: unknown): string {
  if (!(error instanceof Error)) return '_OTHER'
  try {
    return 'code' in error && typeof error.code === 'string' && CODE.test(error.code) ? error.code : error.name
  } catch {
    // A getter of it threw.
    return '_OTHER'
  }
}
