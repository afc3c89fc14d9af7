import type { RelayStore } from '../relay-store.ts'
import type { Database } from './database.ts'
import { fetch, fetchData, lastSeq, waitingNames } from './fetch.ts'
import { reconcile } from './reconcile.ts'
import { settle } from './settle.ts'
import { settleInTransaction } from './settle-in-transaction.ts'
import type { Tables } from './tables.ts'
import { unpark } from './unpark.ts'

/** What the relay does with events: each operation on its own snapshot, or in its own short transaction. */
export function sqliteRelay(database: Database, t: Tables): RelayStore {
  const run = {
    fetch: fetch(t),
    fetchData: fetchData(t),
    lastSeq: lastSeq(t),
    unpark: unpark(t),
    settle: settle(t),
    reconcile: reconcile(t),
    waitingNames: waitingNames(t),
  }
  const recordInTransaction = settleInTransaction(t, run.settle)
  return {
    fetch: (names, lanes, mostData) => database.read((db) => run.fetch(db, names, lanes, mostData)),
    fetchData: (rows, bytes) => database.read((db) => run.fetchData(db, rows, bytes)),
    lastSeq: (names, lane) => database.read((db) => run.lastSeq(db, names, lane)),
    async unpark(names, lanes, limitPerLane) {
      const { due, nextDueIn } = await database.read((db) => run.unpark.look(db, names, lanes))
      if (due.length === 0) return { woken: [], heads: [], locked: [], more: [], nextDueIn }
      return database.write((db) => run.unpark.apply(db, names, lanes, limitPerLane))
    },
    async settle(ownership, outcomes) {
      if (outcomes.length === 0) return { lost: [], busy: [] }
      return database.write((db) => run.settle(db, ownership, outcomes))
    },
    reconcile: (names, lanes) => database.write((db) => run.reconcile(db, names, lanes)),
    settleInTransaction: (ownership, work) =>
      database.transaction(async (tx, db) => recordInTransaction(db, ownership, await work(tx))),
    waitingNames: (limit) => database.read((db) => run.waitingNames(db, limit)),
  }
}
