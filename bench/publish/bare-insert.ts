import type { Client } from 'pg'

/** What differs from row to row. */
export interface BareRow {
  readonly id: string
  readonly lane: number
  readonly partitionKey: string
  readonly type: string
  readonly source: string
  readonly data: string
}

/** The columns that a publish gives; the rest of the table has the same defaults. */
const COLUMNS = `id, lane, partition_key, event_id, spec_version, event_type, source, subject, data_content_type, data_schema,
  data, data_binary, extensions, event_time, max_retries, publisher_backend, publisher_config, created_at, updated_at, scheduled_at,
  available_at`
const PARAMETERS = 17
const MOST = Math.floor(65_535 / PARAMETERS)

/**
 * An INSERT as one would write it by hand: rows in VALUES, the times by the server, nothing returned, no conflict thought of. `name`:
 * the server keeps its plan under this name, as it does that of a publish.
 */
export function bareInsert(table: string, name?: string): (client: Client, rows: readonly BareRow[]) => Promise<void> {
  const texts = new Map<number, string>()
  const textOf = (count: number): string => {
    const rowsOf = Array.from({ length: count }, (_, row) => {
      const parameters = Array.from({ length: PARAMETERS }, (_, n) => `$${row * PARAMETERS + n + 1}`)
      return `(${parameters.join(', ')}, now(), now(), now(), NULL)`
    })
    return `INSERT INTO ${table} (${COLUMNS}) VALUES ${rowsOf.join(', ')}`
  }
  return async (client, rows) => {
    for (let done = 0; done < rows.length; done += MOST) {
      const some = rows.slice(done, done + MOST)
      let text = texts.get(some.length)
      if (text === undefined) texts.set(some.length, (text = textOf(some.length)))
      await client.query({ text, values: some.flatMap(valuesOf), ...(name && { name: `${name}_${some.length}` }) })
    }
  }
}

function valuesOf({ id, lane, partitionKey, type, source, data }: BareRow): readonly unknown[] {
  const json = 'application/json'
  return [id, lane, partitionKey, null, '1.0', type, source, '', json, '', data, null, null, null, 3, 'default', '{}']
}
