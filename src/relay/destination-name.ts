/** As long as the column of the name. */
const LONGEST = 200

/**
 * A destination's name as every store can hold it: it may be made of an event's data. Cut to the column's width, without the
 * character that PostgreSQL's text cannot hold, and well-formed; undefined when nothing is left.
 */
export function destinationName(name: string): string | undefined {
  return name.replaceAll('\0', '').slice(0, LONGEST).toWellFormed() || undefined
}
