import { useEffect, useState } from 'preact/hooks'
import { ask } from '../../api/ask.ts'
import { live } from '../../api/live.ts'
import type { EventsAnswer } from '../../api/types.ts'

/** How often the newest event is looked for, in milliseconds. */
const EVERY = 10_000

/**
 * Whether an event that matches is newer than the first of the list. Rows never move under the reader: a line says that there
 * are more. `first` undefined = the list does not show the newest.
 */
export function useNewer(first: string | undefined, q: string): boolean {
  const [newerThan, setNewerThan] = useState<string>()
  useEffect(() => {
    if (first === undefined) return
    const controller = new AbortController()
    const timer = setInterval(() => {
      if (document.hidden || live.peek() !== 'on') return
      ask<EventsAnswer>('events', { q, order: '-created', limit: 1 }, controller.signal).then(
        ({ events: [newest] }) => setNewerThan(newest !== undefined && newest.id !== first ? first : undefined),
        () => undefined,
      )
    }, EVERY)
    return () => {
      clearInterval(timer)
      controller.abort()
    }
  }, [first, q])
  return first !== undefined && newerThan === first
}
