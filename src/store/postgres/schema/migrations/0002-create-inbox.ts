import type { Migration } from '../migration.ts'

/** What each consumer has handled. The index is for the clean-up alone: entries come in the order of time. */
export const createInbox: Migration = {
  version: 2,
  name: 'create-inbox',
  breaking: false,
  sql: (t) => `CREATE TABLE ${t.inbox} (
  consumer varchar(100) NOT NULL,
  source varchar(255) NOT NULL,
  event_id varchar(255) NOT NULL,
  handled_at timestamptz NOT NULL DEFAULT statement_timestamp(),
  PRIMARY KEY (consumer, source, event_id)
);
CREATE INDEX ${t.index('inbox_age')} ON ${t.inbox} (handled_at);
`,
}
