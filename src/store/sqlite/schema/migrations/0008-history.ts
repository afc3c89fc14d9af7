import type { Migration } from '../migration.ts'

/**
 * What happened: what workers delivered in each span of time, with how long it took by powers of two of milliseconds; and the outages
 * of each breaker. A bounded number of rows in both.
 */
export const history: Migration = {
  version: 8,
  name: 'history',
  breaking: false,
  sql: (t) => `
CREATE TABLE ${t.flow} (
  span integer NOT NULL,
  began integer NOT NULL,
  backend varchar(100) NOT NULL,
  seq integer NOT NULL DEFAULT 0,
  delivered integer NOT NULL DEFAULT 0,
  retried integer NOT NULL DEFAULT 0,
  failed integer NOT NULL DEFAULT 0,
${Array.from({ length: 25 }, (_, n) => `  took_${n} integer NOT NULL DEFAULT 0,\n`).join('')}  PRIMARY KEY (span, began, backend)
) WITHOUT ROWID;
CREATE TABLE ${t.outages} (
  id integer PRIMARY KEY AUTOINCREMENT,
  backend varchar(100) NOT NULL,
  destination text NOT NULL,
  opened_at datetime NOT NULL,
  opened_by text NOT NULL,
  reason text NOT NULL,
  probes integer NOT NULL DEFAULT 0,
  probed_at datetime,
  last_error text NOT NULL DEFAULT '',
  closed_at datetime,
  closed_by text NOT NULL DEFAULT ''
);
`,
}
