import type { Census, RetentionStore, SettledPage } from '../retention-store.ts'
import { farthest, SETTLED, youngest } from '../retention-store.ts'
import { statusList } from '../values.ts'
import { readByIndex } from './by-index.ts'
import type { Client } from './client.ts'
import { FIRST_ID, LAST_ID } from './partitions/cuts.ts'
import { uuidAt } from './partitions/live-ranges.ts'
import { partitions } from './partitions/old.ts'
import { blocks, counts, settledAt, version } from './settled-rows.ts'
import type { Tables } from './tables.ts'

/** No id is left out: each is after the one or before the other. */
const NOTHING = { first: LAST_ID, last: FIRST_ID }

/** Before it are the ids that begin with a time, as a rule, and behind it the others. */
const TODAY = uuidAt(`statement_timestamp() + interval '1 day'`)

/**
 * Retention. No index holds published rows by status or time, so it walks the primary key. Ids are UUID v7 as a rule, so the
 * old rows come first, and at the page with the first id that is too young the walk goes on behind the ids of today: rows with a
 * v4 id (made by Django) sort there, mostly. That costs one index probe where there are none. `prover`: for what takes longer than a
 * statement of `client` may; default: the same.
 */
export function retention(client: Client, t: Tables, prover = client): RetentionStore {
  const isOld = SETTLED.map((status, n) => {
    const [age, place] = [`$${3 + 2 * n}::float8`, `$${4 + 2 * n}::uuid`]
    return `(p.status = '${status}' AND (${settledAt('p')} < statement_timestamp() - ${age} * interval '1 millisecond'
      OR (p.id <= ${place} AND ${counts('p')})))`
  })
  const walking = `
WITH page AS MATERIALIZED (
  SELECT e.id, e.event_type, e.status, e.published_at, e.updated_at, e.available_at, e.generation
  FROM ${t.events} AS e
  WHERE e.id > $1::uuid AND (e.id < $11::uuid OR e.id > $12::uuid)
  ORDER BY e.id
  LIMIT $2
), ended AS (
  SELECT count(*) AS seen, (SELECT id FROM page ORDER BY id DESC LIMIT 1) AS last FROM page
)
SELECT json_build_object(
  'events', (
    SELECT coalesce(json_agg(json_build_object('id', p.id, 'eventType', p.event_type, 'status', p.status,
      'age', date_part('epoch', statement_timestamp() - ${settledAt('p')}) * 1000, 'place', p.id,
      'counts', ${counts('p')}, 'version', ${version('p')}) ORDER BY p.id), '[]')
    FROM page AS p WHERE ${isOld.join(' OR ')}),
  'next', (
    SELECT CASE WHEN d.seen < $2::bigint THEN NULL
      WHEN d.last < ${TODAY} AND ($10::uuid IS NULL OR d.last > $10::uuid)
        AND ($9::float8 IS NULL OR d.last >= ${uuidAt(`statement_timestamp() - $9::float8 * interval '1 millisecond'`)})
        THEN ${TODAY}
      ELSE d.last END
    FROM ended AS d))::text AS page`

  const removing = `
WITH same AS (
  SELECT e.id, w.version FROM unnest($1::uuid[], $2::text[]) AS w (id, version) JOIN ${t.events} AS e ON e.id = w.id
  WHERE ${version('e')} = w.version
  ORDER BY e.id
  FOR UPDATE OF e SKIP LOCKED
), gone AS (
  DELETE FROM ${t.events} AS e USING same
  WHERE e.id = same.id AND ${version('e')} = same.version
  RETURNING e.id, e.publisher_backend, e.lane, ${blocks('e')} AS blocked
), told AS (
  UPDATE ${t.lanes} AS l
  SET attention = l.attention + 1
  FROM (SELECT DISTINCT publisher_backend, lane FROM gone WHERE blocked) AS g
  WHERE l.lane = g.lane AND (l.backend = g.publisher_backend OR g.publisher_backend = '')
)
SELECT count(*) AS gone FROM gone`

  const counting = `
WITH page AS MATERIALIZED (
  SELECT e.id, e.event_type, e.status, e.available_at FROM ${t.events} AS e
  WHERE e.id < coalesce($1::uuid, ${TODAY}) AND e.id >= $3::uuid
  ORDER BY e.id DESC
  LIMIT $2
)
SELECT json_build_object(
  'groups', (
    SELECT coalesce(json_agg(json_build_object('status', g.status, 'eventType', g.event_type, 'count', g.count)), '[]')
    FROM (
      SELECT p.status, p.event_type, count(*) AS count FROM page AS p
      WHERE p.status IN ${statusList(SETTLED)} AND ${counts('p')} GROUP BY 1, 2) AS g),
  'last', (SELECT id FROM page ORDER BY id LIMIT 1))::text AS census`

  return {
    partitions: partitions(client, t, prover),
    async walk({ after, rows, ages, upTo, except = NOTHING }) {
      const limits = SETTLED.flatMap((status) => [ages[status], upTo[status]])
      const [row] = await readByIndex(client, walking, [
        after ?? FIRST_ID,
        rows,
        ...limits,
        youngest(ages),
        farthest(upTo),
        except.first,
        except.last,
      ])
      return JSON.parse(row?.['page'] ?? '') as SettledPage
    },
    /** The lanes of failed events that blocked their key are notified, so that what waits behind them is released. */
    async remove(events) {
      if (events.length === 0) return 0
      const ids = events.map(({ id }) => id)
      const versions = events.map(({ version }) => version)
      const [row] = await client.query(removing, [ids, versions], 'keep')
      return Number(row?.['gone'] ?? 0)
    },
    async census(before, rows, from) {
      const [row] = await readByIndex(client, counting, [before, rows, from ?? FIRST_ID])
      return JSON.parse(row?.['census'] ?? '') as Census
    },
  }
}
