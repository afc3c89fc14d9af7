let last = Number.NaN
let text = ''

/** The instant in ISO 8601, as `toISOString`. The last one is remembered: a row's is asked for twice, and that of a whole batch is often one. */
export function isoText(date: Date): string {
  const time = date.getTime()
  if (time !== last) {
    text = date.toISOString()
    last = time
  }
  return text
}
