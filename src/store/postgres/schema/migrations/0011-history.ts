import type { Migration } from '../migration.ts'

/**
 * What happened: what workers delivered in each span of time, with how long it took by powers of two of milliseconds; and the outages
 * of each breaker. A bounded number of rows in both.
 */
export const history: Migration = {
  version: 11,
  name: 'history',
  breaking: false,
  sql: (t) => `
CREATE TABLE IF NOT EXISTS ${t.flow} (
  span integer NOT NULL,
  -- seconds since 1970
  began bigint NOT NULL,
  -- empty: the outbox as a whole
  backend varchar(100) NOT NULL,
  seq bigint NOT NULL DEFAULT 0,
  delivered bigint NOT NULL DEFAULT 0,
  retried bigint NOT NULL DEFAULT 0,
  failed bigint NOT NULL DEFAULT 0,
${Array.from({ length: 25 }, (_, n) => `  took_${n} bigint NOT NULL DEFAULT 0,\n`).join('')}  PRIMARY KEY (span, began, backend)
) WITH (fillfactor = 50);

CREATE TABLE IF NOT EXISTS ${t.outages} (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  backend varchar(100) NOT NULL,
  destination text NOT NULL,
  opened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  opened_by text NOT NULL,
  reason text NOT NULL,
  probes bigint NOT NULL DEFAULT 0,
  probed_at timestamptz,
  last_error text NOT NULL DEFAULT '',
  closed_at timestamptz,
  closed_by text NOT NULL DEFAULT ''
);
`,
}
