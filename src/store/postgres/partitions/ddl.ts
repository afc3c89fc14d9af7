import type { Tables } from '../tables.ts'
import { bareIn, type Cut, idAfter, qualify } from './cuts.ts'

/** `CREATE TABLE` for a partition, without a semicolon. */
export function createPartition(t: Tables, { low, last, name }: Cut, options: string): string {
  return `CREATE TABLE ${qualify(t, name)} PARTITION OF ${t.events} FOR VALUES FROM ('${low}') TO ('${idAfter(last)}')${options === '' ? '' : ` WITH (${options})`}`
}

/** That the default holds no id between these: what proves it to PostgreSQL when a partition is made there. */
export function freeOf(t: Tables, low: string, horizon: string, unproven = ''): string {
  return `ALTER TABLE ${qualify(t, bareIn(t, 'default'))} ADD CONSTRAINT ${t.index('free')} CHECK (id < '${low}' OR id >= '${horizon}')${unproven}`
}
