import type { NewOutboxEvent } from '../record/columns.ts'

/**
 * The order in which rows are inserted: two transactions that publish the same events wait for each other row by row, and in a circle
 * if each has its own order. Events of a key stay in the order in which they were given, since it is that of their delivery. Where
 * every id is one that publish made, nobody else has it, and all stay as they are.
 */
export function inInsertOrder(
  rows: readonly NewOutboxEvent[],
  orderOf: (row: NewOutboxEvent) => string = identityText,
): readonly NewOutboxEvent[] {
  if (rows.length < 2 || !rows.some(hasOwnId)) return rows
  return rows.toSorted((a, b) => byText(a.partitionKey ?? '', b.partitionKey ?? '') || inKey(a, b, orderOf))
}

/** `orderOf`: a text by which events without a key are sorted. */
function inKey(a: NewOutboxEvent, b: NewOutboxEvent, orderOf: (row: NewOutboxEvent) => string): number {
  return a.partitionKey === null && b.partitionKey === null ? byText(orderOf(a), orderOf(b)) : 0
}

function identityText({ source, eventId, id, publisherBackend }: NewOutboxEvent): string {
  return JSON.stringify([source, eventId ?? id, publisherBackend])
}

/** Whether the caller may have chosen it: what publish makes is of version 7. */
function hasOwnId({ id, eventId }: NewOutboxEvent): boolean {
  return eventId !== null || id[14] !== '7'
}

/** By code unit: the same in every process, whatever its language. */
function byText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
