import { RATES_PER_CLEANING, type RateStore } from '../coordination-store.ts'
import { takePermits } from '../permits.ts'
import type { Database } from './database.ts'
import type { Tables } from './tables.ts'

/** Now by the database's clock, in milliseconds since 1970: fractions of one count where a rate is high. */
const NOW = "(julianday('now') - 2440587.5) * 86400000.0"
const HOUR = 3_600_000

/** What all workers took of a rate, decided by `takePermits` in a transaction. */
export function rates(database: Database, t: Tables): RateStore {
  const seenSql = `
    SELECT ${NOW} AS now, (SELECT spent_until FROM ${t.rates} WHERE backend = ? AND destination = ?) AS spent_until`
  const spendSql = `
    INSERT INTO ${t.rates} (backend, destination, spent_until) VALUES (?, ?, ?)
    ON CONFLICT (backend, destination) DO UPDATE SET spent_until = excluded.spent_until`
  const cleanSql = `DELETE FROM ${t.rates} WHERE backend = ? AND spent_until < ${NOW} - ${HOUR}`
  let made = 0
  return {
    take: (backend, destination, request) =>
      database.write((db) => {
        const row = db.get(seenSql, backend, destination)
        const [now, until] = [Number(row?.['now']), row?.['spent_until']]
        if (until === null && made++ % RATES_PER_CLEANING === 0) db.run(cleanSql, backend)
        const { spent, ...permits } = takePermits(until === null ? 0 : Number(until) - now, request)
        if (spent !== null) db.run(spendSql, backend, destination, now + spent)
        return permits
      }),
  }
}
