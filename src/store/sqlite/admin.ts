import type { AdminStore } from '../admin-store.ts'
import { count } from './count.ts'
import type { Database } from './database.ts'
import { hold, lift } from './hold.ts'
import { list } from './list.ts'
import { move } from './move.ts'
import { stats } from './stats.ts'
import type { Tables } from './tables.ts'

/** What operators and `broadcaster.events` need. `notify` wakes listeners of this process. */
export function sqliteAdmin(database: Database, t: Tables, notify: () => void): AdminStore {
  const run = { list: list(t), count: count(t), hold: hold(t), move: move(t), lift: lift(t), stats: stats(t) }
  return {
    list: (query) => database.read((db) => run.list(db, query)),
    count: (where) => database.read((db) => run.count(db, where)),
    async hold(ids, duration) {
      const holds = await database.write((db) => run.hold(db, ids, duration))
      if (holds.length > 0) notify()
      return holds
    },
    async move(ids, wanted, holds) {
      const report = await database.write((db) => run.move(db, ids, wanted, holds))
      if (report.moved.length > 0) notify()
      return report
    },
    async lift(holds) {
      if (holds.length === 0) return
      await database.write((db) => run.lift(db, holds))
      notify()
    },
    stats: () => database.read(run.stats),
  }
}
