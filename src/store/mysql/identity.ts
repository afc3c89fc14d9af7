import { createHash } from 'node:crypto'
import type { NewOutboxEvent } from '../../record/columns.ts'
import type { Row, Statement } from '../statement.ts'
import { ALL_ROWS } from './literals.ts'
import type { Tables } from './tables.ts'

/** What the column `identity` holds for an event, as hexadecimal digits; null = it has no id of its own. */
export function identityOf(row: NewOutboxEvent): string | null {
  if (row.eventId === null) return null
  const [source, id] = [row.source, row.eventId].map((text) => `${Buffer.byteLength(text)}:${text}`)
  return createHash('sha256').update(`${source}${id}${row.publisherBackend}`).digest('hex')
}

/**
 * Selects which of these events are stored, as this transaction sees it, without a lock. `seq` is for the plan: where
 * the index alone would do, MySQL with the statistics of a small table reads all of it.
 */
export function findStored(t: Tables): (rows: readonly NewOutboxEvent[]) => Statement | undefined {
  const before = `SELECT HEX(identity) AS identity, seq FROM ${t.events.text} FORCE INDEX (${t.index.identity.text})
WHERE identity IN (UNHEX(`
  return (rows) => {
    const values = rows.map(identityOf).filter((identity) => identity !== null)
    if (values.length === 0) return undefined
    return { strings: [before, ...values.slice(1).map(() => '), UNHEX('), `)) LIMIT ${ALL_ROWS}`], values }
  }
}

/** Those of the rows that were not among what `findStored` returned. */
export function notStored(rows: readonly NewOutboxEvent[], found: readonly Row[]): readonly NewOutboxEvent[] {
  if (found.length === 0) return rows
  const stored = new Set(found.map((row) => String(row['identity']).toLowerCase()))
  return rows.filter((row) => {
    const identity = identityOf(row)
    return identity === null || !stored.has(identity)
  })
}
