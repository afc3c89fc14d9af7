import type { NewOutboxEvent } from '../record/columns.ts'
import type { Program } from './program.ts'
import type { PublishStore } from './store.ts'

/** What became of rows that may have existed already. */
export interface StoredCopies {
  /** The ids of those that are new. */
  readonly stored: readonly string[]
  /** For each row that existed, by its id, the id of the copy that it stands for. */
  readonly there: ReadonlyMap<string, string>
}

/** Nothing was copied. */
export const NO_COPIES: StoredCopies = { stored: [], there: new Map() }

/** Inserts rows as a publish does, and finds those that existed. */
export function* storeCopies(
  { insert, findDuplicate }: PublishStore,
  rows: readonly NewOutboxEvent[],
): Program<StoredCopies> {
  const stored = new Set((yield* insert(rows)).map(({ id }) => id))
  const there = new Map<string, string>()
  for (const row of rows) {
    if (stored.has(row.id)) continue
    const found = yield* findDuplicate(row)
    // A row that this very call stored may stand for two copies of the same event.
    if (found?.id !== undefined && !stored.has(found.id)) there.set(found.id, row.id)
  }
  return { stored: [...stored], there }
}
