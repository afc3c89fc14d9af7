/** What this browser keeps of the reader's choices: theme, zone, columns. Nothing of what is in the outbox. */
const PREFIX = 'broadcaster-'

export function kept(name: string): string | null {
  try {
    return localStorage.getItem(PREFIX + name)
  } catch {
    // A browser may refuse: then a choice holds until the page is closed.
    return null
  }
}

export function keep(name: string, value: string): void {
  try {
    localStorage.setItem(PREFIX + name, value)
  } catch {}
}
