/** Longer words are not compared, in characters: comparing two costs the product of their lengths. */
const LONGEST = 100
/** How many known words are compared: no person wrote a longer list. */
const MOST = 10_000

/** `; did you mean "order"?` for a word close to a known one, else an empty string. Case does not count. */
export function suggestion(word: string, known: Iterable<string>): string {
  if (word.length > LONGEST) return ''
  const wanted = normal(word)
  // A third of the word may differ; beyond that a guess misleads more than it helps.
  const most = Math.ceil(wanted.length / 3)
  let best: { readonly name: string; readonly distance: number } | undefined
  let seen = 0
  for (const name of known) {
    if (++seen > MOST) break
    if (name.length > 2 * LONGEST) continue
    const candidate = normal(name)
    // Two words differ by at least the difference of their lengths.
    if (Math.abs(candidate.length - wanted.length) > most) continue
    const distance = editDistance(wanted, candidate)
    if (distance <= most && (!best || distance < best.distance)) best = { name, distance }
  }
  return best ? `; did you mean "${best.name}"?` : ''
}

/** `event_type`, `eventType` and `event-type` are the same word to a person. */
function normal(word: string): string {
  return word.toLowerCase().replace(/[_-]/g, '')
}

function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const current = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      current.push(Math.min(replaced, (previous[j] ?? 0) + 1, (current[j - 1] ?? 0) + 1))
    }
    previous = current
  }
  return previous[b.length] ?? 0
}
