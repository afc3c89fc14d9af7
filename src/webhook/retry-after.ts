/** The longest that a destination can make us wait, in milliseconds: one day. */
const LONGEST = 86_400_000

/**
 * The milliseconds that a Retry-After header asks for: seconds, or an HTTP date, which is compared with the `Date`
 * header of the same response, since the clocks of two hosts may differ by minutes. Undefined when it is neither.
 */
export function parseRetryAfter(value: string | undefined, date: string | undefined): number | undefined {
  if (value === undefined) return undefined
  const text = value.trim()
  if (/^\d+$/.test(text)) return Math.min(Number(text) * 1000, LONGEST)
  // An HTTP date begins with the name of a day; `Date.parse` would take much else for a date.
  const until = /^[A-Z][a-z]{2}/.test(text) ? Date.parse(text) : Number.NaN
  if (Number.isNaN(until)) return undefined
  const sent = Date.parse(date ?? '')
  return Math.min(Math.max(0, until - (Number.isNaN(sent) ? Date.now() : sent)), LONGEST)
}
