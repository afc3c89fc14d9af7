import type { Migration } from '../migration.ts'

/**
 * What lets an operator move events while workers send: the row's generation, which each move raises and each outcome
 * names, and on each lane a hold, which its owner answers when nothing of the lane is in its hands.
 */
export const operatorMoves: Migration = {
  version: 4,
  name: 'operator-moves',
  breaking: false,
  statements: (t) => [
    ...addColumn(t.events.text, 'generation', 'int unsigned NOT NULL DEFAULT 0'),
    ...addColumn(t.lanes.text, 'hold', 'bigint NOT NULL DEFAULT 0'),
    ...addColumn(t.lanes.text, 'hold_until', 'datetime(6) NULL'),
    ...addColumn(t.lanes.text, 'quiet_for', 'bigint NOT NULL DEFAULT 0'),
  ],
}

/** Adds a column unless it is there: MySQL has no ADD COLUMN IF NOT EXISTS, and a step may be run again. */
export function addColumn(table: string, column: string, type: string): readonly string[] {
  const [name, database] = table.replaceAll('`', '').split('.').reverse()
  const here = database === undefined ? 'DATABASE()' : `'${database}'`
  return [
    `SET @broadcaster_step = IF(EXISTS (
  SELECT 1 FROM information_schema.columns
  WHERE table_schema = ${here} AND table_name = '${name}' AND column_name = '${column}'),
  'DO 0', 'ALTER TABLE ${table} ADD COLUMN ${column} ${type}')`,
    'PREPARE broadcaster_step FROM @broadcaster_step',
    'EXECUTE broadcaster_step',
    'DEALLOCATE PREPARE broadcaster_step',
  ]
}
