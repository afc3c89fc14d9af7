import { NOW, UNSETTLED } from '../../literals.ts'
import { Sql, sql } from '../../sql.ts'
import type { Tables } from '../../tables.ts'
import type { TakeOverNames } from './names.ts'
import type { OldId } from './old-id.ts'
import { DJANGO_COLUMNS } from './recognise.ts'

/** Names, one after the other. */
export const COLUMN_LIST = new Sql(DJANGO_COLUMNS.join(', '))

/** Parked when it is due later, as the default of the column says for new rows. */
export function parkedUntil(row: string): Sql {
  return new Sql(
    `CASE WHEN ${row}status IN ${UNSETTLED.text} AND ${row}scheduled_at > ${NOW.text} THEN ${row}scheduled_at END`,
  )
}

/**
 * What is written to Django's table is written to ours, in the same transaction. Making a trigger waits for the
 * transactions that use the table: those that begin later fire it.
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
