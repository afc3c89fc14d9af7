import type { Migration } from '../migration.ts'

/**
 * What operators leave behind: a pause beside each breaker, since workers read that anyway; the audit; the operations
 * that go on in the background, and the events that each of them moved.
 */
export const operators: Migration = {
  version: 6,
  name: 'operators',
  breaking: false,
  sql: (t) => `
ALTER TABLE ${t.breakers} ADD COLUMN paused_at datetime NULL;
ALTER TABLE ${t.breakers} ADD COLUMN paused_by varchar(255) NULL;
ALTER TABLE ${t.breakers} ADD COLUMN pause_reason text NULL;
CREATE TABLE ${t.audit} (
  id integer PRIMARY KEY AUTOINCREMENT,
  at datetime NOT NULL,
  who varchar(255) NOT NULL,
  what varchar(50) NOT NULL,
  target text NOT NULL,
  reason text NOT NULL,
  operation integer,
  outcome varchar(20) NOT NULL,
  counts text NOT NULL,
  ended_at datetime,
  error text
);
CREATE TABLE ${t.operations} (
  id integer PRIMARY KEY AUTOINCREMENT,
  kind varchar(20) NOT NULL,
  who varchar(255) NOT NULL,
  reason text NOT NULL,
  filter text NOT NULL,
  conditions text NOT NULL,
  params text NOT NULL,
  rate real,
  state varchar(20) NOT NULL,
  began_at datetime NOT NULL,
  ended_at datetime,
  matched integer,
  moved integer NOT NULL DEFAULT 0,
  left_alone integer NOT NULL DEFAULT 0,
  position char(32),
  next_at datetime,
  owner char(36),
  lease_until datetime,
  audit integer,
  error text
);
`,
}
