import { TEXT } from '../columns.ts'
import type { Migration } from '../migration.ts'

/** Until when what workers took of the rate of a backend, or of a destination behind it, is paid for. No row = nothing was taken. */
export const rates: Migration = {
  version: 9,
  name: 'rates',
  breaking: false,
  statements: (t) => [
    `CREATE TABLE IF NOT EXISTS ${t.rates.text} (
  backend varchar(100) ${TEXT} NOT NULL,
  destination varchar(200) ${TEXT} NOT NULL,
  spent_until datetime(6) NOT NULL,
  PRIMARY KEY (backend, destination)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC`,
  ],
}
