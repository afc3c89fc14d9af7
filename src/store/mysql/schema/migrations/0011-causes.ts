import { ASCII } from '../columns.ts'
import type { Migration } from '../migration.ts'
import { addColumn } from './0004-operator-moves.ts'

/** The code of an event's last error, and what it has in common with those of others: failures are grouped by them, and found. */
export const causes: Migration = {
  version: 11,
  name: 'causes',
  breaking: false,
  statements: (t) => [
    ...addColumn(t.events.text, 'error_code', `varchar(64) ${ASCII} NULL`),
    ...addColumn(t.events.text, 'error_fingerprint', `varchar(16) ${ASCII} NULL`),
  ],
}
