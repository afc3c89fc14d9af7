import type { Migration } from '../migration.ts'

/** The breakers of single destinations behind a backend. A row is an open one; closing deletes it. */
export const destinations: Migration = {
  version: 6,
  name: 'destinations',
  breaking: false,
  sql: (t) => `
CREATE TABLE IF NOT EXISTS ${t.destinations} (
  backend varchar(100) NOT NULL,
  destination varchar(200) NOT NULL,
  probe_at timestamptz NOT NULL,
  since timestamptz NOT NULL,
  error text NOT NULL,
  PRIMARY KEY (backend, destination)
);
`,
}
