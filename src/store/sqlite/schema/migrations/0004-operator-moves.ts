import type { Migration } from '../migration.ts'

/**
 * What lets an operator move events while workers send: the row's generation, which each move raises and each outcome
 * names, and on each lane a hold, which its owner answers when nothing of the lane is in its hands.
 */
export const operatorMoves: Migration = {
  version: 4,
  name: 'operator-moves',
  breaking: false,
  sql: (t) => `
ALTER TABLE ${t.events} ADD COLUMN generation integer NOT NULL DEFAULT 0;
ALTER TABLE ${t.lanes} ADD COLUMN hold integer NOT NULL DEFAULT 0;
ALTER TABLE ${t.lanes} ADD COLUMN hold_until datetime NULL;
ALTER TABLE ${t.lanes} ADD COLUMN quiet_for integer NOT NULL DEFAULT 0;
`,
}
