import { randomUUID } from 'node:crypto'
import type { Connection } from './connection.ts'
import type { Tables } from './tables.ts'
import { NOW, nowPlus } from './values.ts'

/** Adds a worker, and the lanes of its backends. */
export function enter(t: Tables) {
  const lanesSql = `
    WITH RECURSIVE n(lane) AS (
      SELECT 0 UNION ALL SELECT lane + 1 FROM n WHERE lane + 1 < (SELECT lanes FROM ${t.settings})
    )
    INSERT INTO ${t.lanes} (backend, lane)
    SELECT b.value, n.lane FROM json_each(?) AS b, n WHERE true
    ON CONFLICT DO NOTHING`
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
    db.run(lanesSql, JSON.stringify(worker.backends))
    const listed = worker.transient ? [] : worker.backends
    db.run(workerSql, id, worker.name, JSON.stringify(listed), worker.lease / 1000)
    return id
  }
}
