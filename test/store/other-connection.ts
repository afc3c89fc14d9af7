import { createConnection } from 'mysql2/promise'
import { Client } from 'pg'
import type { StorePlace } from '../support/store-places.ts'

/** A transaction of somebody else's. */
export interface Other {
  run(sql: string): Promise<unknown>
  end(): Promise<void>
}

/** A connection past the store, to its tables. */
export async function connectTo(place: StorePlace): Promise<Other> {
  if (place.kind === 'postgres') {
    const client = new Client({ connectionString: place.url })
    // A test may have its session ended.
    client.on('error', () => undefined)
    await client.connect()
    await client.query(`SET search_path = ${place.schema}`)
    return { run: (sql) => client.query(sql), end: () => client.end() }
  }
  if (place.kind !== 'mysql') throw new Error('SQLite has one writer at a time')
  const connection = await createConnection(place.url)
  return { run: (sql) => connection.query(sql), end: () => connection.end() }
}
