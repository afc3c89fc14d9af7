import { TEXT } from '../columns.ts'
import type { Migration } from '../migration.ts'

/** What each consumer has handled. The index is for the clean-up alone: entries come in the order of time. */
export const createInbox: Migration = {
  version: 2,
  name: 'create-inbox',
  breaking: false,
  statements: (t) => [
    `CREATE TABLE IF NOT EXISTS ${t.inbox.text} (
  consumer varchar(100) ${TEXT} NOT NULL,
  source varchar(255) ${TEXT} NOT NULL,
  event_id varchar(255) ${TEXT} NOT NULL,
  repeats int unsigned NOT NULL DEFAULT 0,
  handled_at datetime(6) NOT NULL DEFAULT (UTC_TIMESTAMP(6)),
  PRIMARY KEY (consumer, source, event_id),
  KEY inbox_age (handled_at)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC`,
  ],
}
