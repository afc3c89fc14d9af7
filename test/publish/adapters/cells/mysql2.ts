import { createPool } from 'mysql2/promise'
import { mysql2Transaction } from '../../../../src/store/mysql/mysql2-transaction.ts'
import { betweenBeginAndCommit, type OpenCell } from '../cell.ts'

export const mysql: OpenCell = async ({ url }) => {
  const pool = createPool({ uri: url, connectionLimit: 2 })
  const idle = await pool.getConnection()
  return {
    adapter: mysql2Transaction(),
    refused: { 'a pool': pool, 'a connection without a transaction': idle },
    async transact(work) {
      const connection = await pool.getConnection()
      try {
        await betweenBeginAndCommit(connection, (sql) => connection.query(sql), work)
      } finally {
        connection.release()
      }
    },
    async close() {
      idle.release()
      await pool.end()
    },
  }
}
