import { STATUSES } from '../record/status.ts'
import type { ServerLook } from './server-look.ts'

/** An index on the events table that is not one of ours. */
export interface ExtraIndex {
  /** The name of the index. */
  readonly name: string
  /** What it holds: `(status, scheduled_at)`. */
  readonly on: string
  /** The statement that drops it. */
  readonly drop: string
}

/** What an inspection of the database finds, for `broadcaster doctor`. */
export interface Inspection {
  /** The database's clock. */
  readonly now: Date
  /** Indexes on the events table that are not ours, such as Django's: each insert and settle pays for them. */
  readonly extraIndexes: readonly ExtraIndex[]
  /** Our indexes that are missing, or that a failed build left unusable: each fetch reads the whole table, or fails. */
  readonly missingIndexes: readonly string[]
  /** Rows that no worker will ever see. Empty where the index to look them up is missing. */
  readonly unreachable: readonly Unreachable[]
  /** What the server itself says. */
  readonly server: ServerLook
}

/** Rows that no worker will ever see, written by other programs: nothing else would show them. */
export interface Unreachable {
  /** What is wrong with them: their status, or their lane. */
  readonly what: 'status' | 'lane'
  /** The status that does not exist; undefined for rows of a lane that does not exist. */
  readonly status?: string
  /** How many were found. Of rows with a wrong status only the ends of the table are read: there may be more. */
  readonly found: number
  /** The statement that corrects them. */
  readonly mend: string
}

/**
 * Rows read from each end of the table for their status, which no index holds: the cost does not grow with the table.
 */
export const LOOKED_AT = 10_000
/** How many rows of a wrong lane are counted for each name and range of the index. */
export const MOST_COUNTED = 1_000
/** How many backend names are read. */
export const MOST_NAMES = 100

const KNOWN_STATUSES = `(${STATUSES.map((status) => `'${status}'`).join(', ')})`

/** Finds statuses that do not exist; `end` reads (a key, status) of `LOOKED_AT` rows at one end of the table. */
export function wrongStatuses(end: (direction: 'ASC' | 'DESC') => string): string {
  return `
SELECT status, COUNT(*) AS found FROM (${end('ASC')} UNION ${end('DESC')}) AS ends
WHERE status NOT IN ${KNOWN_STATUSES} GROUP BY status ORDER BY status LIMIT 10`
}

/** Rows found that no worker sees. */
export interface FoundRows {
  /** What `wrongStatuses` found. */
  readonly statuses: readonly Readonly<Record<string, unknown>>[]
  /** How many have a lane that does not exist. */
  readonly beyond: number
  readonly lanes: number
  /** The right lane of a row, as an expression. */
  readonly lane: string
}

/** Describes them, and how to correct them. */
export function unreachableRows(events: string, { statuses, beyond, lanes, lane }: FoundRows): readonly Unreachable[] {
  const wrong = statuses.map((row): Unreachable => {
    const status = String(row['status'])
    // Others may have written any text, which dialects with and without backslash escapes would quote differently.
    const where = /^[\w -]*$/.test(status) ? `status = '${status}'` : `status NOT IN ${KNOWN_STATUSES}`
    const mend = `UPDATE ${events} SET status = 'pending' WHERE ${where}`
    return { what: 'status', status, found: Number(row['found']), mend }
  })
  const mend = `UPDATE ${events} SET lane = ${lane} WHERE lane NOT BETWEEN 0 AND ${lanes - 1}`
  return beyond === 0 ? wrong : [...wrong, { what: 'lane', found: beyond, mend }]
}
