import { DJANGO_COLUMNS } from '../../../django-table.ts'
import type { Runs } from '../../client.ts'
import { Sql, sql } from '../../sql.ts'
import type { Tables } from '../../tables.ts'
import { NOW, UNSETTLED } from '../../values.ts'
import type { OldId, TakeOverNames } from './names.ts'

/** Rows copied in one transaction: some 50 ms, for which a writer of one of them may have to wait. */
const BATCH = 1_000

/**
 * Copies the next old rows in the order in which they were created, and numbers them accordingly. The copying statement
 * locks them: an update in between would reach neither the copy nor, through the trigger, the row that is not there
 * yet. (The page is read from an index alone, where a lock would not keep others from changing other columns.) Rows
 * that a trigger has already written are skipped. A scan that met rows being inserted, or a duplicate, whose gap stays
 * locked, caused deadlocks that inserting applications lost.
 */
export async function copyBatch(
  session: Runs,
  t: Tables,
  { state, next }: TakeOverNames,
  id: OldId,
): Promise<{ readonly rows: number; readonly more: boolean }> {
  await session.run(sql`SET TRANSACTION ISOLATION LEVEL READ COMMITTED`)
  await session.run(sql`START TRANSACTION`)
  const [from] = await session.query(
    sql`SELECT CAST(last AS CHAR) AS last, CAST(created_at AS CHAR) AS at, id FROM ${state} FOR UPDATE`,
  )
  const at = String(from?.['at'])
  const last = Number(from?.['last'])
  const page = await session.query(sql`
SELECT o.id, CAST(o.created_at AS CHAR) AS at FROM ${t.events} AS o
WHERE o.created_at >= ${at} AND (o.created_at > ${at} OR o.id > ${String(from?.['id'])})
  AND NOT EXISTS (SELECT 1 FROM ${next} AS n WHERE n.id = ${id.of('o')})
ORDER BY o.created_at, o.id LIMIT ${BATCH}`)
  const end = page.at(-1)
  if (end !== undefined) {
    await session.run(sql`
INSERT INTO ${next} (${COLUMN_LIST}, seq, available_at)
SELECT ${COLUMN_LIST}, ${last} + ROW_NUMBER() OVER (ORDER BY o.created_at, o.id), ${parkedUntil('o.')}
FROM ${t.events} AS o FORCE INDEX (PRIMARY) WHERE o.id IN (${page.map((row) => String(row['id']))})
LOCK IN SHARE MODE`)
    await session.run(sql`
UPDATE ${state} SET last = ${last + page.length}, created_at = ${String(end['at'])}, id = ${String(end['id'])}`)
  }
  await session.run(sql`COMMIT`)
  // New rows come at the end, and triggers write those.
  return { rows: page.length, more: page.length === BATCH }
}

/** Column names, separated by commas. */
export const COLUMN_LIST = new Sql(DJANGO_COLUMNS.join(', '))

/** Parked when it is due later, as the column's default does for new rows. */
export function parkedUntil(row: string): Sql {
  return new Sql(
    `CASE WHEN ${row}status IN ${UNSETTLED.text} AND ${row}scheduled_at > ${NOW.text} THEN ${row}scheduled_at END`,
  )
}

/**
 * Triggers that write to our table what is written to Django's, in the same transaction. Making a trigger waits for
 * transactions that use the table; later ones fire it.
 */
export function triggerStatements(t: Tables, { next, triggers }: TakeOverNames, id: OldId): readonly Sql[] {
  const values = new Sql(DJANGO_COLUMNS.map((name) => `NEW.${name}`).join(', '))
  const changes = new Sql(DJANGO_COLUMNS.map((name) => `${name} = NEW.${name}`).join(', '))
  const oldId = id.of('OLD')
  return [
    sql`DROP TRIGGER IF EXISTS ${triggers.changed}`,
    sql`DROP TRIGGER IF EXISTS ${triggers.gone}`,
    sql`DROP TRIGGER IF EXISTS ${triggers.added}`,
    sql`CREATE TRIGGER ${triggers.changed} AFTER UPDATE ON ${t.events} FOR EACH ROW
UPDATE ${next} SET ${changes}, available_at = ${parkedUntil('NEW.')} WHERE id = ${oldId}`,
    sql`CREATE TRIGGER ${triggers.gone} AFTER DELETE ON ${t.events} FOR EACH ROW DELETE FROM ${next} WHERE id = ${oldId}`,
    sql`CREATE TRIGGER ${triggers.added} AFTER INSERT ON ${t.events} FOR EACH ROW
INSERT INTO ${next} (${COLUMN_LIST}) VALUES (${values})`,
  ]
}
