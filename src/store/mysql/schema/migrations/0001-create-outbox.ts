import { STAGE } from '../../values.ts'
import { ASCII, laneDefault, TEXT, UUID_V7 } from '../columns.ts'
import type { Migration } from '../migration.ts'

/**
 * The outbox. Columns have the names and types that Django uses; those added by us come after them. Every column has a
 * default, so that `INSERT INTO outbox_events (event_type, source) VALUES (...)` from any language is an event. By
 * expressions and not by a trigger: to make one on a server with a binary log takes SUPER, which hosted MySQL grants to
 * nobody (docs/decisions/0014-mysql-schema.md).
 */
export const createOutbox: Migration = {
  version: 1,
  name: 'create-outbox',
  breaking: true,
  statements: (t, lanes) => [
    `CREATE TABLE IF NOT EXISTS ${t.settings.text} (
  single tinyint NOT NULL PRIMARY KEY,
  lanes smallint NOT NULL
) ENGINE = InnoDB`,

    // A step that stopped in the middle and is run again keeps the number that the events table was made with.
    `INSERT INTO ${t.settings.text} (single, lanes) VALUES (1, ${lanes}) ON DUPLICATE KEY UPDATE single = 1`,

    `CREATE TABLE IF NOT EXISTS ${t.events.text} (
  id char(32) ${ASCII} NOT NULL DEFAULT ${UUID_V7},
  spec_version varchar(10) ${TEXT} NOT NULL DEFAULT '1.0',
  event_type varchar(255) ${TEXT} NOT NULL,
  source varchar(255) ${TEXT} NOT NULL,
  subject varchar(255) ${TEXT} NOT NULL DEFAULT '',
  data_content_type varchar(100) ${TEXT} NOT NULL DEFAULT 'application/json',
  data_schema varchar(200) ${TEXT} NOT NULL DEFAULT '',
  -- longtext and not json: the text must come out as it went in
  data longtext ${TEXT} NULL,
  status varchar(20) ${ASCII} NOT NULL DEFAULT 'pending',
  -- all instants are UTC
  created_at datetime(6) NOT NULL DEFAULT (UTC_TIMESTAMP(6)),
  updated_at datetime(6) NOT NULL DEFAULT (UTC_TIMESTAMP(6)),
  scheduled_at datetime(6) NOT NULL DEFAULT (UTC_TIMESTAMP(6)),
  published_at datetime(6) NULL,
  retry_count int unsigned NOT NULL DEFAULT 0,
  max_retries int unsigned NOT NULL DEFAULT 3,
  last_error longtext ${TEXT} NOT NULL DEFAULT (''),
  publisher_backend varchar(100) ${TEXT} NOT NULL DEFAULT '',
  publisher_config longtext ${TEXT} NOT NULL DEFAULT ('{}'),
  seq bigint NOT NULL AUTO_INCREMENT,
  partition_key varchar(255) ${TEXT} NULL,
  lane smallint NOT NULL DEFAULT ${laneDefault(lanes)},
  event_id text ${TEXT} NULL,
  event_time text ${TEXT} NULL,
  data_binary longblob NULL,
  extensions longtext ${TEXT} NULL,
  available_at datetime(6) NULL DEFAULT (CASE WHEN scheduled_at > UTC_TIMESTAMP(6) THEN scheduled_at END),
  attempts longtext ${TEXT} NULL,
  progress longtext ${TEXT} NULL,
  -- there are no partial indexes: the work index finds what is to be done by this
  stage tinyint GENERATED ALWAYS AS (CASE
    WHEN status IN ('pending', 'retry', 'processing') THEN
      CASE WHEN available_at IS NULL THEN ${STAGE.hot} WHEN status = 'retry' THEN ${STAGE.retrying} ELSE ${STAGE.parked} END
    WHEN status = 'failed' THEN ${STAGE.failed} END) STORED,
  -- too long for a key as they are
  identity binary(32) GENERATED ALWAYS AS (CASE WHEN event_id IS NOT NULL THEN
    UNHEX(SHA2(CONCAT(LENGTH(source), ':', source, LENGTH(event_id), ':', event_id, publisher_backend), 256)) END) STORED,
  PRIMARY KEY (id),
  UNIQUE KEY ${t.index.seq.text} (seq),
  -- publishing twice is one event; descending, so that events without one come last: a duplicate locks the gap before it
  UNIQUE KEY ${t.index.identity.text} (identity DESC),
  KEY ${t.index.work.text} (publisher_backend, stage, lane, available_at, seq)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC`,

    `CREATE TABLE IF NOT EXISTS ${t.workers.text} (
  id char(36) ${ASCII} NOT NULL PRIMARY KEY,
  name text ${TEXT} NOT NULL,
  backends text ${TEXT} NOT NULL,
  entered_at datetime(6) NOT NULL,
  lease_until datetime(6) NOT NULL
) ENGINE = InnoDB`,

    `CREATE TABLE IF NOT EXISTS ${t.lanes.text} (
  backend varchar(100) ${TEXT} NOT NULL,
  lane smallint NOT NULL,
  owner char(36) ${ASCII} NULL,
  fence bigint NOT NULL DEFAULT 0,
  attention bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (backend, lane)
) ENGINE = InnoDB`,

    `CREATE TABLE IF NOT EXISTS ${t.breakers.text} (
  backend varchar(100) ${TEXT} NOT NULL PRIMARY KEY,
  open tinyint NOT NULL,
  probe_at datetime(6) NOT NULL,
  since datetime(6) NOT NULL,
  error longtext ${TEXT} NOT NULL
) ENGINE = InnoDB`,
  ],
}
