import type { Migration } from '../migration.ts'

/** What one worker at a time does for all, by whom and for how long; and the version of each worker. */
export const duties: Migration = {
  version: 10,
  name: 'duties',
  breaking: false,
  sql: (t) => `
CREATE TABLE ${t.duties} (
  duty varchar(50) NOT NULL PRIMARY KEY,
  holder varchar(36) NOT NULL,
  lease_until datetime NOT NULL
);
ALTER TABLE ${t.workers} ADD COLUMN version varchar(50) NULL;
`,
}
