import type { NewOutboxEvent } from '../../record/columns.ts'
import { toSqlId } from '../values.ts'
import type { Runs } from './client.ts'
import { publish } from './publish.ts'
import { runOn } from './run-program.ts'
import { sql } from './sql.ts'
import type { Tables } from './tables.ts'
import { NOW } from './values.ts'

/**
 * Inserts a corrected event as a publish does, and puts it in the place of the old one, which was cancelled in this
 * transaction. `seq` is unique and checked row by row, so the old one is negative for a moment.
 */
export function comeInto(t: Tables) {
  const { insert } = publish(t)
  return async (tx: Runs, id: string, row: NewOutboxEvent): Promise<void> => {
    await runOn(tx, insert([row]))
    const [old] = await tx.query(sql`
SELECT o.seq AS old_seq, n.seq AS new_seq, COALESCE(o.lane, n.lane) AS lane, CAST(o.scheduled_at AS CHAR) AS due
FROM ${t.events} AS o FORCE INDEX (PRIMARY) JOIN ${t.events} AS n FORCE INDEX (PRIMARY) ON n.id = ${toSqlId(row.id)}
WHERE o.id = ${id}`)
    if (old === undefined) throw new Error(`the event ${row.id} was not stored; nothing was changed`)
    const [oldSeq, newSeq] = [Number(old['old_seq']), Number(old['new_seq'])]
    const due = sql`CAST(${String(old['due'])} AS DATETIME(6))`
    await tx.run(sql`UPDATE ${t.events} FORCE INDEX (PRIMARY) SET seq = ${-newSeq} WHERE id = ${id}`)
    await tx.run(sql`
UPDATE ${t.events} FORCE INDEX (PRIMARY) SET seq = ${oldSeq}, lane = ${Number(old['lane'])}, scheduled_at = ${due},
  available_at = CASE WHEN ${due} > ${NOW} THEN ${due} END
WHERE id = ${toSqlId(row.id)}`)
    await tx.run(sql`UPDATE ${t.events} FORCE INDEX (PRIMARY) SET seq = ${newSeq} WHERE id = ${id}`)
  }
}
