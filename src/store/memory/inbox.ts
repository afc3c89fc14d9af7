import { BroadcasterError } from '../../errors.ts'
import type { InboxEntry, InboxPlace, InboxStore, ListedInboxEntry } from '../inbox-store.ts'
import type { MemoryOutbox } from './memory-outbox.ts'

/** The text of a memory statement. */
export const ENTER = ['enter ', ''] as const
export const WITHDRAW = ['withdraw ', ''] as const

/** A transaction as the inbox knows it. */
export interface InboxHolder {
  /** Resolves when it has committed or rolled back. */
  readonly ended: Promise<void>
  /** The holder of the entry that it waits for. */
  waitsFor: InboxHolder | undefined
}

/** The table of what each consumer has handled, with the holders of uncommitted entries. */
export class MemoryInbox {
  /** When each was entered, by key. */
  readonly #entries = new Map<string, number>()
  readonly #held = new Map<string, InboxHolder>()

  /** Committed entries. */
  get size(): number {
    return this.#entries.size
  }

  /** The transaction that has entered it and has not ended yet. */
  holderOf(entry: InboxEntry): InboxHolder | undefined {
    return this.#held.get(keyOf(entry))
  }

  /** False when the entry exists already. */
  enter(entry: InboxEntry, holder: InboxHolder): boolean {
    const key = keyOf(entry)
    const other = this.#held.get(key)
    if (this.#entries.has(key) || other === holder) return false
    if (other !== undefined) {
      throw new BroadcasterError(
        'STORE_BUSY',
        'another memory transaction has entered the same event and is still open',
      )
    }
    this.#held.set(key, holder)
    return true
  }

  /** Removes an entry that its transaction has not committed. */
  withdraw(entry: InboxEntry): void {
    this.#held.delete(keyOf(entry))
  }

  /** Removes an entry that an earlier transaction has committed. */
  forget(entry: InboxEntry): void {
    this.#entries.delete(keyOf(entry))
  }

  commit(entry: InboxEntry, now: number): void {
    this.withdraw(entry)
    this.#entries.set(keyOf(entry), now)
  }

  list(after: InboxPlace | null, limit: number): readonly ListedInboxEntry[] {
    const all = [...this.#entries].map(([key, time]): ListedInboxEntry => {
      const [consumer, source, eventId] = JSON.parse(key) as [string, string, string]
      const handledAt = new Date(time)
      return { consumer, source, eventId, at: handledAt.toISOString(), handledAt }
    })
    const byPlace = (a: InboxPlace, b: InboxPlace): number =>
      byText(b.at, a.at) || byText(b.consumer, a.consumer) || byText(b.source, a.source) || byText(b.eventId, a.eventId)
    const sorted = all.sort(byPlace)
    return (after ? sorted.filter((entry) => byPlace(after, entry) < 0) : sorted).slice(0, limit)
  }

  prune(before: number, limit: number): number {
    const old = [...this.#entries].filter(([, at]) => at <= before).slice(0, limit)
    for (const [key] of old) this.#entries.delete(key)
    return old.length
  }
}

/**
 * Resolves when the entry's holder has ended; undefined = no other holds it. Throws `STORE_BUSY` when it waits for us.
 */
export function turnOf(inbox: MemoryInbox, entry: InboxEntry, holder: InboxHolder): Promise<void> | undefined {
  const other = inbox.holderOf(entry)
  holder.waitsFor = other === holder ? undefined : other
  if (holder.waitsFor === undefined) return undefined
  for (let at: InboxHolder | undefined = other; at !== undefined; at = at.waitsFor) {
    if (at === holder) throw new BroadcasterError('STORE_BUSY', 'two memory transactions wait for each other')
  }
  return other?.ended
}

export function memoryInbox(outbox: MemoryOutbox): InboxStore {
  return {
    *enter(entry) {
      const entered = yield { strings: ENTER, values: [entry] }
      return entered.length > 0
    },
    *withdraw(entry) {
      yield { strings: WITHDRAW, values: [entry] }
    },
    list: async ({ after, limit }) => outbox.inbox.list(after, limit),
    prune: async ({ age, limit }) => outbox.inbox.prune(outbox.now() - age, limit),
  }
}

const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

function keyOf({ consumer, source, eventId }: InboxEntry): string {
  return JSON.stringify([consumer, source, eventId])
}
