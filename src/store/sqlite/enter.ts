import { randomUUID } from 'node:crypto'
import type { Connection } from './connection.ts'
import { makeLanes } from './make-lanes.ts'
import type { Tables } from './tables.ts'
import { NOW, nowPlus } from './values.ts'

/** Adds a worker, and the lanes of its backends. */
export function enter(t: Tables) {
  const make = makeLanes(t)
  const workerSql = `
    INSERT INTO ${t.workers} (id, name, backends, entered_at, lease_until) VALUES (?, ?, ?, ${NOW}, ${nowPlus('?')})`
  return (
    db: Connection,
    worker: {
      readonly name: string
      readonly backends: readonly string[]
      readonly lease: number
      readonly transient?: boolean
    },
  ): string => {
    const id = randomUUID()
    make(db, worker.backends)
    const listed = worker.transient ? [] : worker.backends
    db.run(workerSql, id, worker.name, JSON.stringify(listed), worker.lease / 1000)
    return id
  }
}
