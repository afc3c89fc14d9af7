import type { Migration } from '../migration.ts'

/**
 * Until when what workers took of the rate of a backend, or of a destination behind it, is paid for, in ms since 1970 with their
 * fractions. No row = nothing was taken.
 */
export const rates: Migration = {
  version: 9,
  name: 'rates',
  breaking: false,
  sql: (t) => `
CREATE TABLE ${t.rates} (
  backend varchar(100) NOT NULL,
  destination varchar(200) NOT NULL,
  spent_until real NOT NULL,
  PRIMARY KEY (backend, destination)
) WITHOUT ROWID;
`,
}
