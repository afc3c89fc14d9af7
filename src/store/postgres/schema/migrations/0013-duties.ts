import type { Migration } from '../migration.ts'

/** What one worker at a time does for all, by whom and for how long; and the version of each worker. */
export const duties: Migration = {
  version: 13,
  name: 'duties',
  breaking: false,
  sql: (t) => `
CREATE TABLE IF NOT EXISTS ${t.duties} (
  duty varchar(50) PRIMARY KEY,
  holder varchar(36) NOT NULL,
  lease_until timestamptz NOT NULL
);
ALTER TABLE ${t.workers} ADD COLUMN IF NOT EXISTS version varchar(50);
`,
}
