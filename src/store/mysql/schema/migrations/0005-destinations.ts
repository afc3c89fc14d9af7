import { TEXT } from '../columns.ts'
import type { Migration } from '../migration.ts'

/** The breakers of single destinations behind a backend. A row is an open one; closing deletes it. */
export const destinations: Migration = {
  version: 5,
  name: 'destinations',
  breaking: false,
  statements: (t) => [
    `CREATE TABLE IF NOT EXISTS ${t.destinations.text} (
  backend varchar(100) ${TEXT} NOT NULL,
  destination varchar(200) ${TEXT} NOT NULL,
  probe_at datetime(6) NOT NULL,
  since datetime(6) NOT NULL,
  error longtext ${TEXT} NOT NULL,
  PRIMARY KEY (backend, destination)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC`,
  ],
}
