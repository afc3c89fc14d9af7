/** The list that was shown last: previous and next of an event are of it. Kept for this page only. */
let last: { readonly q: string; readonly ids: readonly string[] } = { q: '', ids: [] }

export function rememberList(q: string, ids: readonly string[]): void {
  last = { q, ids }
}

/** The ids beside this one in the last list of the same filter. */
export function besides(
  id: string,
  q: string,
): { readonly previous: string | undefined; readonly next: string | undefined } {
  const at = last.q === q ? last.ids.indexOf(id) : -1
  return at < 0 ? { previous: undefined, next: undefined } : { previous: last.ids[at - 1], next: last.ids[at + 1] }
}
