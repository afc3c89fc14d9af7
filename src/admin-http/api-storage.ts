/** The answer of the admin API about what holds the outbox: types only. */

import type { FindingRow } from './api-operations.ts'

/** GET api/storage */
export interface StorageAnswer {
  readonly description: string
  readonly place: string | null
  readonly totalRows: number
  readonly totalRowsIsEstimate: boolean
  /** The largest first, at most a minute old; empty = not known: the store has no disk, or its role may not ask. */
  readonly tables: readonly TableRow[]
  readonly findings: readonly FindingRow[]
}

/** A table in GET api/storage. */
export interface TableRow {
  readonly name: string
  /** On disk, with its indexes and all its partitions. */
  readonly bytes: number
  /** Of its indexes; null = not known. */
  readonly indexBytes: number | null
  /** As the database's statistics have it; null = not known. */
  readonly rows: number | null
  /** The largest first; empty = not told apart. */
  readonly indexes: readonly { readonly name: string; readonly bytes: number }[]
}
