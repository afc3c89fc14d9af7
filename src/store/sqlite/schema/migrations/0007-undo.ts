import type { Migration } from '../migration.ts'

/** What each event was before an operator requeued or cancelled it, by the entry of the audit: so that this can be undone. */
export const undo: Migration = {
  version: 7,
  name: 'undo',
  breaking: false,
  sql: (t) => `
CREATE TABLE ${t.undo} (
  entry integer NOT NULL,
  event char(32) NOT NULL,
  generation integer NOT NULL,
  status varchar(20) NOT NULL,
  retry_count integer NOT NULL,
  scheduled_at datetime NOT NULL,
  held boolean NOT NULL,
  PRIMARY KEY (entry, event)
);
`,
}
