import type { Migration } from '../migration.ts'

/**
 * What operators leave behind: a pause beside each breaker, since workers read that anyway; the audit; the operations that go
 * on in the background, and the events that each of them moved.
 */
export const operators: Migration = {
  version: 8,
  name: 'operators',
  breaking: false,
  sql: (t) => `
ALTER TABLE ${t.breakers}
  ADD COLUMN IF NOT EXISTS paused_at timestamptz,
  ADD COLUMN IF NOT EXISTS paused_by varchar(255),
  ADD COLUMN IF NOT EXISTS pause_reason text;

CREATE TABLE IF NOT EXISTS ${t.audit} (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  who varchar(255) NOT NULL,
  what varchar(50) NOT NULL,
  target text NOT NULL,
  reason text NOT NULL,
  operation bigint,
  outcome varchar(20) NOT NULL,
  counts text NOT NULL,
  ended_at timestamptz,
  error text
);

CREATE TABLE IF NOT EXISTS ${t.operations} (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  kind varchar(20) NOT NULL,
  who varchar(255) NOT NULL,
  reason text NOT NULL,
  filter text NOT NULL,
  conditions text NOT NULL,
  params text NOT NULL,
  rate double precision,
  state varchar(20) NOT NULL,
  began_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  ended_at timestamptz,
  matched bigint,
  moved bigint NOT NULL DEFAULT 0,
  left_alone bigint NOT NULL DEFAULT 0,
  position uuid,
  next_at timestamptz,
  owner uuid,
  lease_until timestamptz,
  audit bigint,
  error text
);
`,
}
