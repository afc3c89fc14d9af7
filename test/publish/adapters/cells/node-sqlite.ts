import { DatabaseSync } from 'node:sqlite'
import { nodeSqliteTransaction } from '../../../../src/store/sqlite/sync-transaction.ts'
import { betweenBeginAndCommit, type OpenCell } from '../cell.ts'

export const sqlite: OpenCell = async ({ path }) => {
  const database = new DatabaseSync(path)
  const idle = new DatabaseSync(path)
  return {
    adapter: nodeSqliteTransaction(),
    refused: { 'a database without a transaction': idle },
    transact: (work) => betweenBeginAndCommit(database, (sql) => database.exec(sql), work, 'BEGIN IMMEDIATE'),
    close() {
      idle.close()
      database.close()
    },
  }
}
