import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { FINDING_CODES, type Finding, type FindingCode } from '../../src/admin/finding.ts'
import { type Facts, findingsOf } from '../../src/admin/findings.ts'
import { backendStatuses, laneStatuses, statsOf, workerStatuses } from '../../src/admin/status.ts'
import type { ResolvedRate } from '../../src/backend/rate.ts'
import { backendCounts, COUNTED, NO_ROWS, type OutboxLook, type RowsRead } from '../../src/store/outbox-look.ts'
import { root } from '../project/source-files.ts'

/** What facts mean, as tables. */

const WORKER = { id: 'w', name: 'one', backends: ['main'], leaseLeft: 9_000 }
const LANE = { backend: 'main', lane: 0, owner: 'w', fence: 1, attention: 0, hold: 0, holdLeft: null, quietFor: 0 }
const DOWN = { backend: 'main', open: true, probeIn: 100, since: 2_000, error: 'ECONNREFUSED', paused: null }
const AWAY = { backend: 'main', destination: 'https://a.example', probeIn: 100, since: 2_000, error: 'no answer' }
const CURRENT = { version: 3, latest: 3, lanes: 64, pending: [] }

function lookOf(rows: Partial<RowsRead>, more: Partial<OutboxLook> = {}, backend = 'main'): OutboxLook {
  return {
    now: new Date(0),
    backends: [backendCounts(backend, { ...NO_ROWS, ...rows })],
    workers: [WORKER],
    lanes: [LANE],
    breakers: [],
    destinations: [],
    blockedKeys: [],
    totalRows: 0,
    totalRowsIsEstimate: false,
    inboxRows: 0,
    ...more,
  }
}

function factsOf(look: OutboxLook, more: Partial<Facts> = {}, rate?: ResolvedRate): Facts {
  const configured = [{ name: 'main', description: null, rate }]
  return {
    store: 'memory outbox_events',
    schema: CURRENT,
    seen: {
      backends: backendStatuses(look, configured),
      workers: workerStatuses(look),
      lanes: laneStatuses(look),
    },
    maxLag: 300_000,
    ...more,
  }
}

const failed = { failed: 2, troubled: 2 }
const index = { name: 'by_type', on: '(event_type)', drop: 'DROP INDEX by_type' }

const TABLE: readonly {
  readonly what: string
  readonly facts: Facts
  /** The findings that are expected beside the three that tell that all is well. */
  readonly found: readonly (readonly [FindingCode, Finding['level'], RegExp])[]
}[] = [
  { what: 'all is well', facts: factsOf(lookOf({ ready: 3, oldestReadyAge: 100 })), found: [] },
  {
    what: 'workers of two versions, one of which tells none',
    facts: factsOf(
      lookOf(
        {},
        {
          workers: [
            { ...WORKER, version: '1.1.0' },
            { ...WORKER, id: 'v', name: 'two', version: null },
          ],
        },
      ),
    ),
    found: [['versions-differ', 'advice', /1\.1\.0 \(one\); an earlier version.* \(two\)$/]],
  },
  {
    what: 'workers of one version',
    facts: factsOf(
      lookOf(
        {},
        {
          workers: [
            { ...WORKER, version: '1.1.0' },
            { ...WORKER, id: 'v', version: '1.1.0' },
          ],
        },
      ),
    ),
    found: [],
  },
  {
    what: 'the schema is missing: nothing else is said',
    facts: {
      store: 'x',
      schema: { version: 0, latest: 3, lanes: null, pending: [{ version: 1, name: 'make', breaking: true }] },
      maxLag: 1,
    },
    found: [['schema-outdated', 'wrong', /at version 0 of 3/]],
  },
  {
    what: 'the table is of Django',
    facts: { store: 'x', schema: { ...CURRENT, version: 0, foreign: true }, maxLag: 1 },
    found: [['schema-foreign', 'wrong', /not taken over/]],
  },
  {
    what: 'what the database itself shows',
    facts: factsOf(lookOf({}), {
      inspection: {
        missingIndexes: ['hot'],
        extraIndexes: [index],
        unreachable: [
          { what: 'status', status: 'done', found: 2, mend: 'UPDATE x' },
          { what: 'lane', found: 1, mend: 'UPDATE y' },
        ],
        server: {
          readOnly: true,
          openTransactions: [{ who: 'psql as ada, pid 7, idle in transaction', age: 400_000, end: 'SELECT end(7)' }],
          deadRows: { dead: 30_000, live: 29_999, cleanedAt: null, mend: 'VACUUM x' },
          autovacuumOff: 'ALTER TABLE x RESET (autovacuum_enabled)',
        },
      },
      clockAhead: 5_000,
      drift: ['the index hot', 'the trigger wake', 'the table inbox'],
      notToldOfCommits: 'they do not arrive',
      overdue: { status: 'failed', age: 9 * 86_400_000, kept: 8 * 86_400_000 },
      inbox: { bytes: 2 ** 30, rows: 12_345_678 },
    }),
    found: [
      ['index-missing', 'wrong', /^the index hot is missing or its build did not finish/],
      ['extra-index', 'advice', /the index by_type \(event_type\) is not ours/],
      ['unreachable-status', 'wrong', /^2 rows or more with the status "done", which does not exist/],
      ['unreachable-lane', 'wrong', /^1 event or more in lanes that do not exist/],
      ['server-read-only', 'wrong', /accepts no writes/],
      ['long-transaction', 'advice', /open for 7 min \(psql as ada, pid 7, idle in transaction\)/],
      ['dead-rows', 'advice', /^about 30,000 dead rows beside 29,999 live ones, never cleaned/],
      ['autovacuum-off', 'advice', /autovacuum is switched off/],
      ['schema-drift', 'wrong', /^the trigger wake, the table inbox are missing, or not as migrate made them/],
      ['commits-not-told', 'advice', /do not learn of commits.*: they do not arrive/],
      ['retention-behind', 'advice', /^a failed event has been there for 9 days?, and is kept for 8 days?/],
      ['inbox-large', 'advice', /^the inbox takes 1\.1 GB, with about 12,345,678 rows/],
      ['clock-differs', 'advice', /5\.0 s behind the database's/],
    ],
  },
  {
    what: 'no worker, and nothing to do',
    facts: factsOf(lookOf({}, { workers: [], lanes: [] })),
    found: [['no-worker', 'advice', /and nothing waits$/]],
  },
  {
    what: 'no worker, and its lanes are orphaned',
    facts: factsOf(lookOf({ ready: 1, oldestReadyAge: 1 }, { workers: [] })),
    found: [
      ['no-worker', 'wrong', /and 1 event waits$/],
      ['lanes-orphaned', 'advice', /^1 lane had a worker that died/],
    ],
  },
  {
    what: 'a breaker is open, and its events have no lag',
    facts: factsOf(lookOf({ ready: 1, oldestReadyAge: 1e9 }, { breakers: [DOWN], destinations: [AWAY] })),
    found: [
      ['breaker-open', 'wrong', /^the breaker of main has been open for 2\.0 s: ECONNREFUSED$/],
      ['breaker-open', 'wrong', /^the breaker of https:\/\/a\.example behind main has/],
    ],
  },
  {
    what: 'a breaker is open, and nobody knows since when',
    facts: factsOf(lookOf({}, { breakers: [{ ...DOWN, since: null }] })),
    found: [['breaker-open', 'wrong', /^the breaker of main is open: ECONNREFUSED$/]],
  },
  {
    what: 'a backend is paused, and its events have no lag',
    facts: factsOf(
      lookOf(
        { ready: 1, oldestReadyAge: 1e9 },
        { breakers: [{ ...DOWN, open: false, paused: { by: 'ops', reason: 'their window', since: 2_000 } }] },
      ),
    ),
    found: [['backend-paused', 'advice', /^main was paused by ops 2\.0 s ago: their window; its events wait$/]],
  },
  {
    what: 'too late',
    facts: factsOf(lookOf({ ready: 1, oldestReadyAge: 300_001 })),
    found: [['lag-too-great', 'wrong', /oldest due event of main has waited 5 min/]],
  },
  {
    what: 'too late, of a backend that has a rate',
    facts: factsOf(lookOf({ ready: 1, oldestReadyAge: 300_001 }), {}, { events: 50, per: 1_000, burst: 5 }),
    found: [
      ['lag-too-great', 'wrong', /oldest due event of main has waited 5 min; its rate lets 50\/s go, whatever waits$/],
    ],
  },
  {
    what: 'a backend that is not configured here',
    facts: factsOf(lookOf({ ready: 1, later: 1 }, {}, 'other')),
    found: [['backend-not-configured', 'wrong', /^2 events wait for a backend other/]],
  },
  {
    what: 'the default backend is never unknown',
    facts: factsOf(lookOf({ ready: 1 }, {}, '')),
    found: [],
  },
  {
    what: 'failed events that block nothing',
    facts: factsOf(lookOf(failed)),
    found: [['events-failed', 'advice', /^2 events of main failed for good, and block no key$/]],
  },
  {
    what: 'failed events that block a key',
    facts: factsOf(lookOf({ ...failed, blockedKeys: 1 })),
    found: [['events-failed', 'wrong', /^2 events of main failed for good, and block 1 key$/]],
  },
  {
    what: 'one failed event that blocks its key',
    facts: factsOf(lookOf({ failed: 1, troubled: 1, blockedKeys: 1 })),
    found: [['events-failed', 'wrong', /^1 event of main failed for good, and blocks 1 key$/]],
  },
  {
    what: 'more than are counted',
    facts: factsOf(lookOf({ failed: COUNTED + 1, troubled: COUNTED + 1 })),
    found: [['events-failed', 'advice', /^2,500\+ events of main/]],
  },
  {
    what: 'what a backend says',
    facts: factsOf(lookOf({}), { backendFindings: { main: [{ level: 'advice', message: 'x', cure: 'y' }] } }),
    found: [['backend', 'advice', /^main: x$/]],
  },
]

for (const { what, facts, found } of TABLE) {
  test(`findings: ${what}`, () => {
    const all = findingsOf(facts)
    const trouble = all.filter(({ level }) => level !== 'fine')
    assert.deepEqual(
      trouble.map(({ code, level }) => [code, level]),
      found.map(([code, level]) => [code, level]),
    )
    for (const [n, [, , message]] of found.entries()) assert.match(trouble[n]?.message ?? '', message)
    const order = all.map(({ code }) => FINDING_CODES.indexOf(code))
    assert.ok(order.every((place) => place >= 0))
  })
}

test('each code has been seen here, and stands in docs/operations.md', () => {
  const seen = new Set(TABLE.flatMap(({ facts }) => findingsOf({ clockAhead: 0, ...facts }).map(({ code }) => code)))
  assert.deepEqual([...seen].toSorted(), [...FINDING_CODES].toSorted())
  const page = readFileSync(join(root, 'docs/operations.md'), 'utf8')
  const documented = [...page.matchAll(/^\| `([a-z-]+)` \| (?:wrong|advice|fine)/gm)].map(([, code]) => code)
  assert.deepEqual(documented, [...FINDING_CODES])
})

const rows = { ready: 1, blocked: 2, later: 7, delayed: 4 }

for (const [what, more, stuck, lag] of [
  ['nothing is down', {}, 2, 50],
  ['a destination is away', { destinations: [AWAY] }, 6, 50],
  ['the breaker is open', { breakers: [DOWN] }, 7, null],
  ['the breaker is closed', { breakers: [{ ...DOWN, open: false }] }, 2, 50],
] as const) {
  test(`stats: what is stuck, and the lag, when ${what}`, () => {
    const [main] = statsOf(lookOf({ ...rows, oldestReadyAge: 50 }, more)).backends
    assert.deepEqual(
      [main?.waiting, main?.stuck, main?.scheduled, main?.lag],
      [{ count: 7, exact: true }, { count: stuck, exact: true }, { count: 3, exact: true }, lag],
    )
  })
}

test('stats: what was not counted to its end makes every sum a lower bound', () => {
  const [main] = statsOf(lookOf({ ready: 5, later: COUNTED + 1, delayed: 3 })).backends
  assert.deepEqual(main?.waiting, { count: 8, exact: false })
  const [more] = statsOf(lookOf({ ready: COUNTED, blocked: 1 })).backends
  assert.deepEqual(more?.waiting, { count: COUNTED, exact: false })
  const [whole] = statsOf(lookOf({ ready: COUNTED })).backends
  assert.deepEqual(whole?.waiting, { count: COUNTED, exact: true })
})

test('status: a configured backend that nobody has used yet has its line, and a lane of a dead worker no owner', () => {
  const look = lookOf({}, { lanes: [LANE, { ...LANE, lane: 1, owner: 'dead', holdLeft: 10 }] })
  const [, unused] = backendStatuses(look, [{ name: 'unused', description: 'kafka x' }])
  assert.deepEqual([unused?.backend, unused?.configured, unused?.description], ['unused', true, 'kafka x'])
  assert.deepEqual(laneStatuses(look), [
    { backend: 'main', lane: 0, owner: 'w', orphaned: false, held: false },
    { backend: 'main', lane: 1, owner: null, orphaned: true, held: true },
  ])
  assert.deepEqual(workerStatuses(look), [{ ...WORKER, lanes: 1 }])
})
