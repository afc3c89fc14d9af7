import type { Store } from '../../src/store/store.ts'

/** Every instant that an outbox stores, but for when its migrations were applied. */
const INSTANTS = {
  events: ['created_at', 'updated_at', 'scheduled_at', 'published_at', 'available_at'],
  workers: ['entered_at', 'lease_until'],
  lanes: ['hold_until'],
  breakers: ['probe_at', 'since', 'paused_at'],
  destinations: ['probe_at', 'since'],
  audit: ['at', 'ended_at'],
  operations: ['began_at', 'ended_at', 'next_at', 'lease_until'],
  inbox: ['handled_at'],
}

/** An instant some milliseconds after the one in a column. */
const LATER = {
  postgres: (column: string, ms: number) => `${column} + ${ms} * interval '1 millisecond'`,
  mysql: (column: string, ms: number) => `${column} + INTERVAL ${ms * 1_000} MICROSECOND`,
  sqlite: (column: string, ms: number) => `strftime('%Y-%m-%d %H:%M:%f000', ${column}, '${ms / 1_000} seconds')`,
}

/** What setting the database's clock back does to an outbox: all that it stores lies so many milliseconds further ahead. */
export async function setBack(store: Store, dialect: keyof typeof LATER, duration: number, prefix = ''): Promise<void> {
  await store.transaction(async (tx) => {
    for (const [table, columns] of Object.entries(INSTANTS)) {
      for (const column of columns) {
        const text = `UPDATE ${prefix}outbox_${table} SET ${column} = ${LATER[dialect](column, duration)} WHERE ${column} < '9999-01-01'`
        await store.transactionAdapter.execute(tx, { strings: [text], values: [] })
      }
    }
  })
}
