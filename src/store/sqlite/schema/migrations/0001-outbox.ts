import { NOW } from '../../values.ts'
import type { Migration } from '../migration.ts'

/** The outbox: events, lanes, workers, breakers. Column types are those that Django uses on SQLite. */
export const outbox: Migration = {
  version: 1,
  name: 'outbox',
  breaking: true,
  sql: (t, lanes) => `
CREATE TABLE ${t.events} (
  seq integer NOT NULL PRIMARY KEY AUTOINCREMENT,
  id char(32) NOT NULL UNIQUE,
  lane smallint NOT NULL DEFAULT ((random() & 9223372036854775807) % ${lanes}),
  partition_key varchar(255) NULL,
  event_id text NULL,
  spec_version varchar(10) NOT NULL DEFAULT '1.0',
  event_type varchar(255) NOT NULL,
  source varchar(255) NOT NULL,
  subject varchar(255) NOT NULL DEFAULT '',
  data_content_type varchar(100) NOT NULL DEFAULT 'application/json',
  data_schema varchar(200) NOT NULL DEFAULT '',
  data text NULL,
  data_binary BLOB NULL,
  extensions text NULL,
  event_time text NULL,
  status varchar(20) NOT NULL DEFAULT 'pending',
  created_at datetime NOT NULL DEFAULT (${NOW}),
  updated_at datetime NOT NULL DEFAULT (${NOW}),
  scheduled_at datetime NOT NULL DEFAULT (${NOW}),
  published_at datetime NULL,
  available_at datetime NULL,
  retry_count integer NOT NULL DEFAULT 0,
  max_retries integer NOT NULL DEFAULT 3,
  last_error text NOT NULL DEFAULT '',
  publisher_backend varchar(100) NOT NULL DEFAULT '',
  publisher_config text NOT NULL DEFAULT '{}',
  attempts text NULL,
  progress text NULL
);
-- Publishing an event twice is one event.
CREATE UNIQUE INDEX ${t.index.identity} ON ${t.events} (source, event_id, publisher_backend)
  WHERE event_id IS NOT NULL;
-- What can be sent now.
CREATE INDEX ${t.index.hot} ON ${t.events} (publisher_backend, lane, seq)
  WHERE available_at IS NULL AND status IN ('pending', 'retry', 'processing');
-- What waits for a time, or behind a key.
CREATE INDEX ${t.index.parked} ON ${t.events} (publisher_backend, lane, available_at)
  WHERE available_at IS NOT NULL AND status IN ('pending', 'retry', 'processing');
-- What holds its key.
CREATE INDEX ${t.index.troubled} ON ${t.events} (publisher_backend, lane, seq)
  WHERE status IN ('retry', 'failed');
CREATE TABLE ${t.lanes} (
  backend varchar(100) NOT NULL,
  lane smallint NOT NULL,
  owner text NULL,
  fence integer NOT NULL DEFAULT 0,
  attention integer NOT NULL DEFAULT 0,
  PRIMARY KEY (backend, lane)
) WITHOUT ROWID;
CREATE TABLE ${t.workers} (
  id text NOT NULL PRIMARY KEY,
  name text NOT NULL,
  backends text NOT NULL,
  entered_at datetime NOT NULL,
  lease_until datetime NOT NULL
) WITHOUT ROWID;
CREATE TABLE ${t.breakers} (
  backend varchar(100) NOT NULL PRIMARY KEY,
  open bool NOT NULL,
  probe_at datetime NOT NULL,
  since datetime NOT NULL,
  error text NOT NULL
) WITHOUT ROWID;
CREATE TABLE ${t.settings} (
  id integer NOT NULL PRIMARY KEY CHECK (id = 1),
  lanes smallint NOT NULL
);
INSERT INTO ${t.settings} (id, lanes) VALUES (1, ${lanes});
CREATE TABLE ${t.migrations} (
  version integer NOT NULL PRIMARY KEY,
  name text NOT NULL,
  breaking bool NOT NULL,
  applied_at datetime NOT NULL
);
`,
}
