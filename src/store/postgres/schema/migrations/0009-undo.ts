import type { Migration } from '../migration.ts'

/** What each event was before an operator requeued or cancelled it, by the entry of the audit: so that this can be undone. */
export const undo: Migration = {
  version: 9,
  name: 'undo',
  breaking: false,
  sql: (t) => `
CREATE TABLE IF NOT EXISTS ${t.undo} (
  entry bigint NOT NULL,
  event uuid NOT NULL,
  generation integer NOT NULL,
  status varchar(20) NOT NULL,
  retry_count integer NOT NULL,
  scheduled_at timestamptz NOT NULL,
  held boolean NOT NULL,
  PRIMARY KEY (entry, event)
);
`,
}
