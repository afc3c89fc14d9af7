import { TEXT } from '../columns.ts'
import type { Migration } from '../migration.ts'

/**
 * What happened: what workers delivered in each span of time, with how long it took by powers of two of milliseconds; and the outages
 * of each breaker. A bounded number of rows in both.
 */
export const history: Migration = {
  version: 8,
  name: 'history',
  breaking: false,
  statements: (t) => [
    `CREATE TABLE IF NOT EXISTS ${t.flow.text} (
  span int NOT NULL,
  began bigint NOT NULL,
  backend varchar(100) ${TEXT} NOT NULL,
  seq bigint NOT NULL DEFAULT 0,
  delivered bigint NOT NULL DEFAULT 0,
  retried bigint NOT NULL DEFAULT 0,
  failed bigint NOT NULL DEFAULT 0,
${Array.from({ length: 25 }, (_, n) => `  took_${n} bigint NOT NULL DEFAULT 0,\n`).join('')}  PRIMARY KEY (span, began, backend)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC`,
    `CREATE TABLE IF NOT EXISTS ${t.outages.text} (
  id bigint NOT NULL AUTO_INCREMENT PRIMARY KEY,
  backend varchar(100) ${TEXT} NOT NULL,
  destination varchar(200) ${TEXT} NOT NULL,
  opened_at datetime(6) NOT NULL,
  opened_by longtext ${TEXT} NOT NULL,
  reason longtext ${TEXT} NOT NULL,
  probes bigint NOT NULL DEFAULT 0,
  probed_at datetime(6) NULL,
  last_error longtext ${TEXT} NOT NULL,
  closed_at datetime(6) NULL,
  closed_by longtext ${TEXT} NOT NULL
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC`,
  ],
}
