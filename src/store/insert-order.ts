import type { NewOutboxEvent } from '../record/columns.ts'

/**
 * The order in which rows are inserted: two transactions that publish the same events wait for each other row by row, and in a circle
 * if each has its own order. Events of a key stay in the order in which they were given, since it is that of their delivery. Where
 * every id is one that publish made, nobody else has it, and all stay as they are.
 */
export function inInsertOrder(rows: readonly NewOutboxEvent[]): readonly NewOutboxEvent[] {
  return rows.length < 2 || !rows.some(hasOwnId) ? rows : rows.toSorted(compare)
}

/** Whether the caller may have chosen it: what publish makes is of version 7. */
function hasOwnId({ id, eventId }: NewOutboxEvent): boolean {
  return eventId !== null || id[14] !== '7'
}

function compare(a: NewOutboxEvent, b: NewOutboxEvent): number {
  if (a.partitionKey !== null || b.partitionKey !== null) return byText(a.partitionKey ?? '', b.partitionKey ?? '')
  return (
    byText(a.source, b.source) ||
    byText(a.eventId ?? a.id, b.eventId ?? b.id) ||
    byText(a.publisherBackend, b.publisherBackend)
  )
}

/** By code unit: the same in every process, whatever its language. */
function byText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
