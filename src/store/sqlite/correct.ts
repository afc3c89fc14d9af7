import type { NewOutboxEvent } from '../../record/columns.ts'
import { toSqlId } from '../values.ts'
import type { Connection } from './connection.ts'
import { publish } from './publish.ts'
import { runOn } from './run-program.ts'
import type { Tables } from './tables.ts'
import { NOW } from './values.ts'

/**
 * Inserts a corrected event as a publish does, and puts it in the place of the old one, which was cancelled in this
 * transaction. `seq` is the rowid, unique and checked row by row, so the old one is negative for a moment.
 */
export function comeInto(t: Tables) {
  const { insert } = publish(t)
  const find = `SELECT seq, lane, scheduled_at FROM ${t.events} WHERE id = ?`
  const number = `UPDATE ${t.events} SET seq = ? WHERE id = ?`
  const take = `
    UPDATE ${t.events} SET seq = ?, lane = ?, scheduled_at = ?, available_at = CASE WHEN ? > ${NOW} THEN ? END
    WHERE id = ?`
  return (db: Connection, id: string, row: NewOutboxEvent): void => {
    runOn(db, insert([row]))
    const newId = toSqlId(row.id)
    const [old, fresh] = [db.get(find, id), db.get(find, newId)]
    if (old === undefined || fresh === undefined) throw new Error(`the event ${row.id} was not stored`)
    const due = String(old['scheduled_at'])
    db.run(number, -Number(fresh['seq']), id)
    db.run(take, Number(old['seq']), Number(old['lane'] ?? fresh['lane']), due, due, due, newId)
    db.run(number, Number(fresh['seq']), id)
  }
}
