import type { Migration } from '../migration.ts'

/** Until when what workers took of the rate of a backend, or of a destination behind it, is paid for. No row = nothing was taken. */
export const rates: Migration = {
  version: 12,
  name: 'rates',
  breaking: false,
  sql: (t) => `
CREATE TABLE IF NOT EXISTS ${t.rates} (
  backend varchar(100) NOT NULL,
  destination varchar(200) NOT NULL,
  spent_until timestamptz NOT NULL,
  PRIMARY KEY (backend, destination)
);
`,
}
