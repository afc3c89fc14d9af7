import type { Migration } from '../migration.ts'

/** What each consumer has handled. The index is for the clean-up alone. */
export const inbox: Migration = {
  version: 2,
  name: 'inbox',
  breaking: false,
  sql: (t) => `
CREATE TABLE ${t.inbox} (
  consumer varchar(100) NOT NULL,
  source varchar(255) NOT NULL,
  event_id varchar(255) NOT NULL,
  handled_at datetime NOT NULL,
  PRIMARY KEY (consumer, source, event_id)
) WITHOUT ROWID;
CREATE INDEX ${t.index.inboxAge} ON ${t.inbox} (handled_at);
`,
}
