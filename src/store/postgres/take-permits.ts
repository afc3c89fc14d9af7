import { RATES_PER_CLEANING, type RateStore } from '../coordination-store.ts'
import { FURTHEST_AHEAD, PRECISION, TOGETHER } from '../permits.ts'
import type { Queries } from './client.ts'
import type { Tables } from './tables.ts'

/**
 * What all workers took of a rate. One statement: it locks the row, and decides by the clock after that as `takePermits` does.
 * A row is made at the first call.
 */
export function rates(client: Queries, t: Tables): RateStore {
  const take = `
WITH locked AS (
  SELECT spent_until FROM ${t.rates} WHERE backend = $1 AND destination = $2 FOR UPDATE
), seen AS (
  SELECT spent_until, clock_timestamp() AS now FROM locked
), asked AS (
  SELECT now, $3::float8 AS events, $4::float8 AS interval, $4::float8 * $5::float8 AS allowance,
    least($5::float8, greatest(1, floor(${TOGETHER} / $4::float8))) AS together,
    date_part('epoch', spent_until - now) * 1000 AS spent
  FROM seen
), judged AS (
  SELECT *, spent > allowance + ${FURTHEST_AHEAD + PRECISION} AS too_much FROM asked
), owing AS (
  SELECT *, CASE WHEN too_much THEN allowance ELSE greatest(0, spent) END AS owed FROM judged
), taking AS (
  SELECT *, least(events, greatest(floor((allowance - owed) / interval), together)) AS taken FROM owing
), decided AS (
  SELECT now, taken, owed, too_much, owed + taken * interval AS spent, greatest(0, owed + taken * interval - allowance) AS wait
  FROM taking
), changed AS (
  UPDATE ${t.rates} AS r
  SET spent_until = d.now + CASE WHEN d.wait <= ${FURTHEST_AHEAD} THEN d.spent ELSE d.owed END * interval '1 millisecond'
  FROM decided AS d WHERE r.backend = $1 AND r.destination = $2 AND (d.wait <= ${FURTHEST_AHEAD} OR d.too_much)
)
SELECT taken, wait FROM decided`

  const make = `
INSERT INTO ${t.rates} (backend, destination, spent_until) VALUES ($1, $2, clock_timestamp())
ON CONFLICT (backend, destination) DO NOTHING`

  const clean = `DELETE FROM ${t.rates} WHERE backend = $1 AND spent_until < clock_timestamp() - interval '1 hour'`

  let made = 0
  return {
    async take(backend, destination, { events, interval, burst }) {
      const values = [backend, destination, events, interval, burst]
      let [row] = await client.query(take, values)
      while (row === undefined) {
        if (made++ % RATES_PER_CLEANING === 0) await client.query(clean, [backend])
        await client.query(make, [backend, destination])
        ;[row] = await client.query(take, values)
      }
      const [taken, wait] = [Number(row['taken']), Number(row['wait'])]
      return wait > FURTHEST_AHEAD ? { taken: 0, wait: wait - FURTHEST_AHEAD } : { taken, wait }
    },
  }
}
