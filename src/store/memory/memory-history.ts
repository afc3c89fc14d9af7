import type { FlowRow, OutageEntry } from '../history-store.ts'

/** What happened to an outbox in memory. */
export class MemoryHistory {
  /** By span, its beginning and backend. */
  readonly flow = new Map<string, FlowRow & { readonly span: number }>()
  outages: readonly OutageEntry[] = []
  #last = 0

  next(): number {
    return ++this.#last
  }
}
