import type { Migration } from '../migration.ts'

/** The code of an event's last error, and what it has in common with those of others: failures are grouped by them, and found. */
export const causes: Migration = {
  version: 11,
  name: 'causes',
  breaking: false,
  sql: (t) => `
ALTER TABLE ${t.events} ADD COLUMN error_code varchar(64) NULL;
ALTER TABLE ${t.events} ADD COLUMN error_fingerprint varchar(16) NULL;
`,
}
