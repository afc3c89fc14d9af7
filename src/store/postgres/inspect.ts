import type { Inspection } from '../inspection.ts'
import type { Client } from './client.ts'
import type { Tables } from './tables.ts'

const OURS = ['identity', 'hot', 'parked', 'troubled']

/** Looks at what the outbox cannot mend by itself: indexes that are not ours, and the clock. */
export function inspect(client: Client, t: Tables): () => Promise<Inspection> {
  const text = `
SELECT i.indexrelid::regclass::text AS name, pg_get_indexdef(i.indexrelid) AS definition, i.indisvalid AS valid,
  date_part('epoch', clock_timestamp()) * 1000 AS now
FROM (SELECT to_regclass($1) AS events) AS o
LEFT JOIN pg_index AS i ON i.indrelid = o.events AND NOT i.indisprimary
  AND i.indexrelid <> ALL (array_remove(array(SELECT to_regclass(unnest($2::text[]))::oid), NULL))
ORDER BY 1`
  return async () => {
    const rows = await client.query(text, [t.events, OURS.map((suffix) => t.named(suffix))])
    return {
      now: new Date(Number(rows[0]?.['now'])),
      extraIndexes: rows.flatMap(({ name, definition }) =>
        name == null || definition == null
          ? []
          : [{ name, on: onOf(definition), drop: `DROP INDEX CONCURRENTLY ${name}` }],
      ),
    }
  }
}

/** `(status, scheduled_at)` of a definition. */
function onOf(definition: string): string {
  return /USING \w+ (.*)$/.exec(definition)?.[1] ?? definition
}
