import pg from 'pg'
import { pgTransaction } from '../../../../src/store/postgres/pg-transaction.ts'
import { betweenBeginAndCommit, type OpenCell } from '../cell.ts'

export const postgres: OpenCell = async ({ url }) => {
  const pool = new pg.Pool({ connectionString: url, max: 2 })
  const idle = new pg.Client({ connectionString: url })
  await idle.connect()
  return {
    adapter: pgTransaction(),
    refused: { 'a pool': pool, 'a client without a transaction': idle },
    async transact(work) {
      const client = await pool.connect()
      try {
        await betweenBeginAndCommit(client, (sql) => client.query(sql), work)
      } finally {
        client.release()
      }
    },
    async close() {
      await idle.end()
      await pool.end()
    },
  }
}
