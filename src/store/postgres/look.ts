import type { AdminStore } from '../admin-store.ts'
import {
  BACKENDS_LOOKED_AT,
  type BackendCounts,
  type BlockedKey,
  backendCounts,
  HEADS_READ,
  keysHeld,
  ROWS_READ,
} from '../outbox-look.ts'
import { destinations } from './breakers.ts'
import { OF_INDEXES } from './by-index.ts'
import type { Client, Queries, RawRow } from './client.ts'
import { survey } from './coordination.ts'
import type { Tables } from './tables.ts'
import { FAR_FUTURE_SQL, UNSETTLED } from './values.ts'

/** A table of at most this many pages (8 MB) is counted; of a larger one the planner's estimate is told. */
const COUNTED_PAGES = 1_000
/** The same for the inbox: 0.8 MB, about as many entries as other databases count. */
const COUNTED_INBOX_PAGES = 100
/** Rows of 500 bytes a page: of a table that was never analysed. */
const EVENTS_IN_PAGE = 16
/** Entries of 110 bytes. */
const ENTRIES_IN_PAGE = 70

/**
 * All of it in one read-only snapshot, from the three partial indexes: no published row is read, however many there are, and
 * of each backend at most `ROWS_READ` rows of each kind.
 */
export function look(client: Client, t: Tables): AdminStore['look'] {
  const { namesText, countsText, headsText, totalText, countText, inboxText, countInboxText } = textsOf(t)
  return () =>
    client.snapshot(async (tx) => {
      // The planner overrates the cost of reading 64 lanes so much that it would compile the query for half a second; and with
      // old statistics it would read the table, or all of an index before the first row of it.
      await tx.query(OF_INDEXES)
      const named = (await tx.query(namesText, [], 'keep'))
        .slice(0, BACKENDS_LOOKED_AT)
        .map((row) => row['backend'] ?? '')
      const backends = await tx.query(countsText, [named], 'keep')
      const { workers, lanes, breakers } = await survey(tx, t).look(named)
      const away = []
      for (const backend of named) {
        for (const one of await destinations(tx, t).list(backend)) away.push({ backend, ...one })
      }
      const heads = await tx.query(headsText, [named], 'keep')
      const [size] = await tx.query(totalText, [t.events])
      const pages = Number(size?.['pages'] ?? 0)
      const exact = pages <= COUNTED_PAGES ? await countRows(tx, countText) : undefined
      const [inbox] = await tx.query(inboxText, [t.inbox])
      const inboxPages = Number(inbox?.['pages'] ?? 0)
      const countsInbox = inbox?.['readable'] === 't' && inboxPages <= COUNTED_INBOX_PAGES
      return {
        now: new Date(Number(size?.['now'])),
        backends: backends.map(countsOf),
        workers,
        lanes,
        breakers,
        destinations: away,
        blockedKeys: keysHeld(heads.map(keyOf)),
        totalRows: exact ?? estimate(size, pages, EVENTS_IN_PAGE),
        totalRowsIsEstimate: exact === undefined,
        inboxRows: countsInbox
          ? await countRows(tx, countInboxText)
          : inbox
            ? estimate(inbox, inboxPages, ENTRIES_IN_PAGE)
            : null,
      }
    })
}

function textsOf(t: Tables) {
  // PostgreSQL has no jump along an index of its own: the least name, then the least above that one.
  const jump = (name: string, condition: string): string => {
    const least = (after: string) => `(SELECT e.publisher_backend FROM ${t.events} AS e WHERE ${condition} ${after}
    ORDER BY e.publisher_backend LIMIT 1)`
    return `${name} AS (
  SELECT ${least('')} AS backend
  UNION ALL
  SELECT ${least('AND e.publisher_backend > n.backend')} FROM ${name} AS n WHERE n.backend IS NOT NULL
)`
  }
  // What was due when its row was last written is due, although that instant lies ahead of a clock that was set back since.
  const dueAt = `CASE WHEN e.scheduled_at <= greatest(e.created_at, e.updated_at)
    THEN least(e.scheduled_at, statement_timestamp()) ELSE e.scheduled_at END AS due_at`
  const hot = `e.available_at IS NULL AND e.status IN ${UNSETTLED}`
  const parked = `e.available_at IS NOT NULL AND e.status IN ${UNSETTLED}`
  const troubled = `e.status IN ('retry', 'failed')`
  const firstNames = (name: string): string =>
    `(SELECT backend FROM ${name} WHERE backend IS NOT NULL LIMIT ${BACKENDS_LOOKED_AT})`
  const namesText = `
WITH RECURSIVE ${jump('hot', hot)}, ${jump('parked', parked)}, ${jump('troubled', troubled)}
${firstNames('hot')} UNION ${firstNames('parked')} UNION ${firstNames('troubled')}
UNION SELECT backend FROM ${t.lanes}
ORDER BY backend`

  /**
   * Parked rows of a range of times, lane by lane, as the index has them. Without OFFSET 0 the planner, with old statistics, makes it a
   * hash join, which reads all there are before the first: 100,000 behind one key took 20 ms.
   */
  const ofEachLane = (columns: string, range: string, limit = 'OFFSET 0'): string => `
  SELECT ${columns} FROM generate_series(0, (SELECT lanes FROM ${t.settings}) - 1) AS l(lane)
  CROSS JOIN LATERAL (
    SELECT ${dueAt} FROM ${t.events} AS e
    WHERE e.publisher_backend = n.backend AND e.lane = l.lane AND ${range} ${limit}) AS e`
  const due = `${parked} AND e.available_at <= statement_timestamp()`
  const oldestOf = (range: string, order: string): string =>
    `SELECT e.due_at FROM (${ofEachLane('e.due_at', range, `ORDER BY ${order} LIMIT 1`)}) AS e`
  const countsText = `
SELECT n.backend, hot.count AS hot, due.count AS due, blocked.count AS blocked, later.*, troubled.*,
  (SELECT date_part('epoch', statement_timestamp() - min(o.due_at)) * 1000
    FROM (${oldestOf(hot, 'e.seq')} UNION ALL ${oldestOf(due, 'e.available_at')}) AS o
    WHERE o.due_at <= statement_timestamp()) AS oldest
FROM unnest($1::text[]) AS n(backend)
CROSS JOIN LATERAL (SELECT count(*) FROM (
  SELECT FROM ${t.events} AS e WHERE e.publisher_backend = n.backend AND ${hot} LIMIT ${ROWS_READ}) AS e) AS hot
CROSS JOIN LATERAL (SELECT count(*) FROM (${ofEachLane('', due)} LIMIT ${ROWS_READ}) AS e) AS due
CROSS JOIN LATERAL (SELECT count(*) FROM (${ofEachLane('', `${parked} AND e.available_at = ${FAR_FUTURE_SQL}`)}
  LIMIT ${ROWS_READ}) AS e) AS blocked
CROSS JOIN LATERAL (
  SELECT count(*) AS later, count(*) FILTER (WHERE e.due_at <= statement_timestamp()) AS delayed
  FROM (${ofEachLane('e.due_at', `${parked} AND e.available_at > statement_timestamp() AND e.available_at < ${FAR_FUTURE_SQL}`)}
  LIMIT ${ROWS_READ}) AS e) AS later
CROSS JOIN LATERAL (
  SELECT count(*) AS troubled, count(*) FILTER (WHERE e.status = 'retry') AS retrying,
    count(*) FILTER (WHERE e.status = 'failed') AS failed,
    count(DISTINCT e.partition_key) FILTER (WHERE e.status = 'failed' AND e.available_at IS NOT NULL) AS blocked_keys
  FROM (
    SELECT e.status, e.partition_key, e.available_at FROM ${t.events} AS e
    WHERE e.publisher_backend = n.backend AND ${troubled} LIMIT ${ROWS_READ}) AS e) AS troubled
ORDER BY n.backend`

  const headsText = `
SELECT n.backend, e.id, e.partition_key, greatest(date_part('epoch', statement_timestamp() - e.updated_at) * 1000, 0) AS since
FROM unnest($1::text[]) AS n(backend)
CROSS JOIN LATERAL (
  SELECT e.* FROM (
    SELECT e.id, e.lane, e.seq, e.status, e.partition_key, e.available_at, e.updated_at FROM ${t.events} AS e
    WHERE e.publisher_backend = n.backend AND ${troubled} ORDER BY e.publisher_backend, e.lane, e.seq LIMIT ${ROWS_READ}) AS e
  WHERE e.status = 'failed' AND e.available_at IS NOT NULL AND e.partition_key IS NOT NULL
  LIMIT ${HEADS_READ}) AS e
ORDER BY n.backend, e.lane, e.seq`

  const totalText = `
SELECT sum(c.reltuples) AS reltuples, sum(c.relpages) AS relpages,
  sum(pg_relation_size(c.oid) / current_setting('block_size')::bigint) AS pages,
  date_part('epoch', clock_timestamp()) * 1000 AS now
FROM pg_class AS c WHERE c.relkind = 'r' AND (c.oid = $1::regclass OR c.oid IN (SELECT p.relid FROM pg_partition_tree($1::regclass) AS p))`
  // From the catalogue, which needs no right on the table: a role that has none there still gets the rest of the look.
  const inboxText = `
SELECT c.reltuples, c.relpages, pg_relation_size(c.oid) / current_setting('block_size')::bigint AS pages,
  has_table_privilege(c.oid, 'SELECT') AS readable
FROM pg_class AS c WHERE c.oid = to_regclass($1)`
  const countOf = (table: string): string => `SELECT count(*) AS count FROM ${table}`
  const [countText, countInboxText] = [countOf(t.events), countOf(t.inbox)]
  return { namesText, countsText, headsText, totalText, countText, inboxText, countInboxText }
}

async function countRows(tx: Queries, text: string): Promise<number> {
  const [row] = await tx.query(text)
  return Number(row?.['count'] ?? 0)
}

/** The density at the last ANALYZE times the pages of now, as the planner itself does it. */
function estimate(size: RawRow | undefined, pages: number, unanalysed: number): number {
  const rows = Number(size?.['reltuples'] ?? 0)
  const analysedPages = Number(size?.['relpages'] ?? 0)
  const density = rows > 0 && analysedPages > 0 ? rows / analysedPages : unanalysed
  return Math.round(density * pages)
}

function countsOf(row: RawRow): BackendCounts {
  const number = (column: string): number => Number(row[column] ?? 0)
  const oldest = row['oldest']
  return backendCounts(row['backend'] ?? '', {
    ready: number('hot') + number('due'),
    blocked: number('blocked'),
    later: number('later'),
    delayed: number('delayed'),
    troubled: number('troubled'),
    retrying: number('retrying'),
    failed: number('failed'),
    blockedKeys: number('blocked_keys'),
    oldestReadyAge: oldest == null ? null : Number(oldest),
  })
}

function keyOf(row: RawRow): BlockedKey {
  return {
    backend: row['backend'] ?? '',
    partitionKey: row['partition_key'] ?? '',
    heldBy: row['id'] ?? '',
    since: Number(row['since'] ?? 0),
  }
}
