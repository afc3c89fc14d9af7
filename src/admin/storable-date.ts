const FIRST = Date.parse('0001-01-01T00:00:00.000Z')
const LAST = Date.parse('9999-12-31T23:59:59.999Z')

/** Whether every database can read this instant: a valid date, of the years 1 to 9999. */
export function isStorableDate(value: unknown): value is Date {
  return value instanceof Date && value.getTime() >= FIRST && value.getTime() <= LAST
}
