import type { Client } from '../client.ts'
import type { Tables } from '../tables.ts'

/** How long an answer counts, in ms. An older one costs time, and nothing else: each form of a statement is right on each form of table. */
const KNOWN_FOR = 60_000

/** Asks, once in a minute, whether the events table has partitions. */
export function isPartitioned(client: Pick<Client, 'query'>, t: Tables): () => Promise<boolean> {
  const text = `SELECT c.relkind = 'p' AS partitioned FROM pg_catalog.pg_class AS c WHERE c.oid = to_regclass($1)`
  let known: { readonly answer: Promise<boolean>; readonly until: number } | undefined
  return () => {
    if (known === undefined || performance.now() > known.until) {
      const answer = client.query(text, [t.events]).then(([row]) => row?.['partitioned'] === 't')
      known = { answer, until: performance.now() + KNOWN_FOR }
      answer.catch(() => {
        known = undefined
      })
    }
    return known.answer
  }
}
