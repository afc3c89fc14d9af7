import type { AdminStore } from '../admin-store.ts'
import { count } from './count.ts'
import type { Database } from './database.ts'
import { deleteEvents } from './delete.ts'
import { list } from './list.ts'
import { move } from './move.ts'
import { stats } from './stats.ts'
import type { Tables } from './tables.ts'

/** What operators and `broadcaster.events` need. `notify` wakes listeners of this process. */
export function sqliteAdmin(database: Database, t: Tables, notify: () => void): AdminStore {
  const run = { list: list(t), count: count(t), move: move(t), delete: deleteEvents(t), stats: stats(t) }
  return {
    list: (query) => database.read((db) => run.list(db, query)),
    count: (where) => database.read((db) => run.count(db, where)),
    async move(ids, wanted) {
      const moved = await database.write((db) => run.move(db, ids, wanted))
      if (moved.length > 0) notify()
      return moved
    },
    async delete(ids) {
      const deleted = await database.write((db) => run.delete(db, ids))
      if (deleted > 0) notify()
      return deleted
    },
    stats: () => database.read(run.stats),
  }
}
