import type { Client, RawRow, SqlValue } from './client.ts'

/** For a transaction that reads cut ranges of indexes, whatever the statistics say. */
export const OF_INDEXES = `
SELECT set_config('jit', 'off', true), set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true)`

/**
 * Runs a query of a page in the order of an index. With old statistics, or those of an empty table, the planner would read and sort all of
 * what is behind it for each page.
 */
export function readByIndex(client: Client, text: string, values: readonly SqlValue[]): Promise<readonly RawRow[]> {
  return client.snapshot(async (tx) => {
    await tx.query(OF_INDEXES)
    return tx.query(text, values, 'keep')
  })
}
