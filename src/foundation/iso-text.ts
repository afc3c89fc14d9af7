let last = Number.NaN
let text = ''

/**
 * The instant as `toISOString` writes it. The last one is remembered: it is needed twice per row, and a batch often
 * shares it.
 */
export function isoText(date: Date): string {
  const time = date.getTime()
  if (time !== last) {
    text = date.toISOString()
    last = time
  }
  return text
}
