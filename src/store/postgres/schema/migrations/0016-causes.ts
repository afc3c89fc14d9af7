import type { Migration } from '../migration.ts'

/**
 * The code of an event's last error, and what it has in common with those of others: failures are grouped by them, and found. Two
 * columns that are null in all rows but those that failed: the catalog alone is changed, and no row becomes longer.
 */
export const causes: Migration = {
  version: 16,
  name: 'causes',
  breaking: false,
  sql: (t) => `
ALTER TABLE ${t.events}
  ADD COLUMN IF NOT EXISTS error_code varchar(64),
  ADD COLUMN IF NOT EXISTS error_fingerprint varchar(16);
`,
}
