import { ASCII } from '../columns.ts'
import type { Migration } from '../migration.ts'

/** What each event was before an operator requeued or cancelled it, by the entry of the audit: so that this can be undone. */
export const undo: Migration = {
  version: 7,
  name: 'undo',
  breaking: false,
  statements: (t) => [
    `CREATE TABLE IF NOT EXISTS ${t.undo.text} (
  entry bigint NOT NULL,
  event char(32) ${ASCII} NOT NULL,
  generation int NOT NULL,
  status varchar(20) ${ASCII} NOT NULL,
  retry_count int NOT NULL,
  scheduled_at datetime(6) NOT NULL,
  held boolean NOT NULL,
  PRIMARY KEY (entry, event)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC`,
  ],
}
