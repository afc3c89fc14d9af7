import { useEffect } from 'preact/hooks'
import { session } from '../api/session.ts'

/** The window's title: what is the matter, of which outbox. */
export function useTitle(text: string): void {
  const outbox = session.value?.outbox
  useEffect(() => {
    document.title = [text, outbox, 'Broadcaster'].filter(Boolean).join(' · ')
  }, [text, outbox])
}
