import { ASCII, TEXT } from '../columns.ts'
import type { Migration } from '../migration.ts'
import { addColumn } from './0004-operator-moves.ts'

/**
 * What operators leave behind: a pause beside each breaker, since workers read that anyway; the audit; the operations
 * that go on in the background, and the events that each of them moved.
 */
export const operators: Migration = {
  version: 6,
  name: 'operators',
  breaking: false,
  statements: (t) => [
    ...addColumn(t.breakers.text, 'paused_at', 'datetime(6) NULL'),
    ...addColumn(t.breakers.text, 'paused_by', `varchar(255) ${TEXT} NULL`),
    ...addColumn(t.breakers.text, 'pause_reason', `longtext ${TEXT} NULL`),
    `CREATE TABLE IF NOT EXISTS ${t.audit.text} (
  id bigint NOT NULL AUTO_INCREMENT PRIMARY KEY,
  at datetime(6) NOT NULL,
  who varchar(255) ${TEXT} NOT NULL,
  what varchar(50) ${ASCII} NOT NULL,
  target longtext ${TEXT} NOT NULL,
  reason longtext ${TEXT} NOT NULL,
  operation bigint NULL,
  outcome varchar(20) ${ASCII} NOT NULL,
  counts longtext ${TEXT} NOT NULL,
  ended_at datetime(6) NULL,
  error longtext ${TEXT} NULL
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC`,
    `CREATE TABLE IF NOT EXISTS ${t.operations.text} (
  id bigint NOT NULL AUTO_INCREMENT PRIMARY KEY,
  kind varchar(20) ${ASCII} NOT NULL,
  who varchar(255) ${TEXT} NOT NULL,
  reason longtext ${TEXT} NOT NULL,
  filter longtext ${TEXT} NOT NULL,
  conditions longtext ${TEXT} NOT NULL,
  params longtext ${TEXT} NOT NULL,
  rate double NULL,
  state varchar(20) ${ASCII} NOT NULL,
  began_at datetime(6) NOT NULL,
  ended_at datetime(6) NULL,
  matched bigint NULL,
  moved bigint NOT NULL DEFAULT 0,
  left_alone bigint NOT NULL DEFAULT 0,
  position char(32) ${ASCII} NULL,
  next_at datetime(6) NULL,
  owner char(36) ${ASCII} NULL,
  lease_until datetime(6) NULL,
  audit bigint NULL,
  error longtext ${TEXT} NULL
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC`,
  ],
}
