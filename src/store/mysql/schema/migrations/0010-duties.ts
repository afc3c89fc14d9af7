import { ASCII, TEXT } from '../columns.ts'
import type { Migration } from '../migration.ts'
import { addColumn } from './0004-operator-moves.ts'

/** What one worker at a time does for all, by whom and for how long; and the version of each worker. */
export const duties: Migration = {
  version: 10,
  name: 'duties',
  breaking: false,
  statements: (t) => [
    `CREATE TABLE IF NOT EXISTS ${t.duties.text} (
  duty varchar(50) ${ASCII} NOT NULL PRIMARY KEY,
  holder varchar(36) ${ASCII} NOT NULL,
  lease_until datetime(6) NOT NULL
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC`,
    ...addColumn(t.workers.text, 'version', `varchar(50) ${TEXT} NULL`),
  ],
}
