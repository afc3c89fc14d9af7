import Database from 'better-sqlite3'
import { betterSqlite3Transaction } from '../../../../src/store/sqlite/sync-transaction.ts'
import { type OpenCell, type Scope, walkSync } from '../cell.ts'

export const sqlite: OpenCell = async ({ path }) => {
  const database = new Database(path)
  const idle = new Database(path)
  const scope: Scope = {
    tx: database,
    exec: (sql) => database.exec(sql),
    // A transaction in a transaction is a savepoint.
    nest: (work) => database.transaction(() => walkSync(work(scope)))(),
  }
  return {
    adapter: betterSqlite3Transaction(),
    sync: true,
    refused: { 'a database without a transaction': idle },
    transact: (work) => database.transaction(() => walkSync(work(scope))).immediate(),
    close() {
      idle.close()
      database.close()
    },
  }
}
