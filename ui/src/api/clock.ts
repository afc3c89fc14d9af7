import { signal } from '@preact/signals'
import { useEffect, useState } from 'preact/hooks'

/** How far the database's clock is ahead of this browser's, in milliseconds: ages and countdowns are of the database. */
let ahead = 0

/** Now, by the database's clock. */
export const databaseNow = (): number => Date.now() + ahead

/** Now, once a second, by the database's clock. */
export const now = signal(databaseNow())

/** What the database said it was when it answered. */
export function setDatabaseTime(at: string | null): void {
  const time = at === null ? Number.NaN : Date.parse(at)
  if (Number.isNaN(time)) return
  ahead = time - Date.now()
  now.value = databaseNow()
}

/** Starts the clock; it stands still while nobody looks. */
export function startClock(): void {
  setInterval(() => {
    if (!document.hidden) now.value = databaseNow()
  }, 1_000)
}

/** True once so many milliseconds have passed: a skeleton that flashes for an instant is worse than none. */
export function useAfter(milliseconds: number): boolean {
  const [passed, setPassed] = useState(false)
  useEffect(() => {
    const timer = setTimeout(() => setPassed(true), milliseconds)
    return () => clearTimeout(timer)
  }, [milliseconds])
  return passed
}
