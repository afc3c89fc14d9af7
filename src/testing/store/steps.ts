import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { uuidV7 } from '../../event/uuid.ts'
import { COLUMN_NAMES, type InsertedRow, type NewOutboxEvent, type OutboxEventColumns } from '../../record/columns.ts'
import { CleanUp } from '../../retention/clean-up.ts'
import { perStatus, ruleOf } from '../../retention/rules.ts'
import type { AdminMove, Hold, Query } from '../../store/admin-store.ts'
import type { LaneRow } from '../../store/coordination-store.ts'
import type { Program } from '../../store/program.ts'
import { ProgramRunner } from '../../store/program-runner.ts'
import type { FetchedRow, Outcome, Ownership } from '../../store/relay-store.ts'
import type { PerStatus } from '../../store/retention-store.ts'
import type { Store } from '../../store/store.ts'

/** The backend that the cases publish to, and the names that it answers to. */
export const BACKEND = 'default'
export const NAMES = ['default', ''] as const
/** A lease that does not end during a case, in milliseconds. */
export const LONG_LEASE = 60_000
/** A hold that does not end during a case, in milliseconds: half of the longest that a store keeps. */
export const LONG_HOLD = 30_000

/** The first 32 bits of SHA-256, as publish computes it. */
export function keyHashOf(partitionKey: string): number {
  return createHash('sha256').update(partitionKey).digest().readUInt32BE(0)
}

/** A row to publish: a plain event unless told otherwise. */
export function newEvent(overrides: Partial<NewOutboxEvent> = {}): NewOutboxEvent {
  const partitionKey = overrides.partitionKey ?? null
  return {
    // As publish makes ids.
    id: uuidV7(),
    partitionKey,
    keyHash: partitionKey === null ? null : keyHashOf(partitionKey),
    eventId: null,
    specVersion: '1.0',
    eventType: 'order.created',
    source: '/orders',
    subject: '',
    dataContentType: 'application/json',
    dataSchema: '',
    data: '{"n":1}',
    dataBinary: null,
    extensions: null,
    eventTime: null,
    scheduledAt: null,
    delay: 0,
    maxRetries: 3,
    publisherBackend: BACKEND,
    publisherConfig: '{}',
    ...overrides,
  }
}

/** Publishes on an open transaction, as `Broadcaster.publish` does. */
export async function insertIn(
  store: Store,
  tx: unknown,
  events: readonly NewOutboxEvent[],
): Promise<readonly InsertedRow[]> {
  return runIn(store, tx, store.publish.insert(events))
}

/** Runs a program of publish or of the inbox on a transaction of the store's own. */
export function runIn<Result>(store: Store, tx: unknown, program: Program<Result>): Promise<Result> {
  return new ProgramRunner(store.transactionAdapter, store.dialect).run(tx, program)
}

/** Publishes in one committed transaction; the rows come in the order of the events. */
export async function insert(store: Store, ...events: readonly NewOutboxEvent[]): Promise<readonly InsertedRow[]> {
  const rows = await store.transaction((tx) => insertIn(store, tx, events))
  return events.flatMap((event) => rows.filter((row) => row.id === event.id))
}

/** Publishes one event. */
export async function insertOne(store: Store, overrides: Partial<NewOutboxEvent> = {}): Promise<InsertedRow> {
  const [row] = await insert(store, newEvent(overrides))
  assert.ok(row, 'insert returns the row')
  return row
}

/** Publishes events in one committed transaction: what each changes of a plain one. */
export async function insertAll<Events extends readonly Partial<NewOutboxEvent>[]>(
  store: Store,
  ...events: Events
): Promise<{ readonly [N in keyof Events]: InsertedRow }> {
  const rows = await insert(store, ...events.map(newEvent))
  assert.equal(rows.length, events.length, 'insert returns each row')
  return rows as { readonly [N in keyof Events]: InsertedRow }
}

/** Fails unless the row has these columns. */
export function assertColumns<Row extends object>(row: Row | undefined, columns: Partial<Row>): asserts row is Row {
  assert.ok(row, 'there is such a row')
  const found = Object.keys(columns).map((name) => [name, Reflect.get(row, name)])
  assert.deepEqual(Object.fromEntries(found), columns)
}

/** The row as it stands, all columns. */
export async function read(store: Store, id: string): Promise<OutboxEventColumns> {
  const [row] = await list(store, COLUMN_NAMES, { where: [{ column: 'id', op: 'eq', value: id }], limit: 2 })
  assert.ok(row, `row ${id} exists`)
  return row as OutboxEventColumns
}

/** The number of lanes of the outbox. */
export async function laneCount(store: Store): Promise<number> {
  const { lanes } = await store.schema.status()
  assert.ok(lanes !== null && lanes >= 4, 'the fixture is migrated, with at least four lanes')
  return lanes
}

/** All lanes of the outbox, by number. */
export async function allLanes(store: Store): Promise<readonly number[]> {
  return Array.from({ length: await laneCount(store) }, (_, lane) => lane)
}

/** Everything that could be sent now, read from the head. */
export async function fetchAll(
  store: Store,
  names: readonly string[] = NAMES,
  mostData?: number,
): Promise<readonly FetchedRow[]> {
  const lanes = await allLanes(store)
  return store.relay.fetch(
    names,
    lanes.map((lane) => ({ lane, after: 0, limit: 10_000 })),
    mostData,
  )
}

/** The numbers of lanes, in order. */
export function lanesOf(lanes: readonly Pick<LaneRow, 'lane'>[]): readonly number[] {
  return lanes.map(({ lane }) => lane).toSorted((a, b) => a - b)
}

/** Some columns of all rows, unless the query says otherwise. */
export function list(store: Store, columns: Query['columns'], query: Partial<Query> = {}) {
  return store.admin.list({ where: [], order: [], limit: null, offset: 0, columns, ...query })
}

export function idsOf(rows: readonly { readonly id?: string }[]): readonly string[] {
  return rows.map(({ id }) => id ?? assert.fail('a row without an id'))
}

/** The ids of what could be sent now, in order. */
export async function fetchedIds(store: Store, names?: readonly string[]): Promise<readonly string[]> {
  return idsOf(await fetchAll(store, names))
}

/** A worker that owns every lane of one backend. */
export interface Owner {
  readonly workerId: string
  readonly ownership: Ownership
  readonly lanes: readonly LaneRow[]
  /** Settles; none of it may be lost. */
  record(...outcomes: readonly Outcome[]): Promise<void>
}

/** Enters a worker and claims every lane of a backend, whoever owned it. */
export async function own(
  store: Store,
  options: { readonly name?: string; readonly backend?: string; readonly lease?: number } = {},
): Promise<Owner> {
  const backend = options.backend ?? BACKEND
  const workerId = await store.coordination.enter({
    name: options.name ?? 'worker',
    backends: [backend],
    lease: options.lease ?? LONG_LEASE,
  })
  const survey = await store.coordination.survey([backend])
  const lanes = await store.coordination.claim(workerId, survey.lanes)
  assert.equal(lanes.length, survey.lanes.length, 'all lanes are taken')
  const fences = new Map(lanes.map((lane) => [lane.lane, lane.fence]))
  known.set(workerId, fences)
  const ownership = { workerId, backend, fences }
  const record = async (...outcomes: readonly Outcome[]): Promise<void> => {
    assert.deepEqual((await store.relay.settle(ownership, outcomes)).lost, [])
  }
  return { workerId, lanes, ownership, record }
}

/** The fences of every worker that `own` made, so that `moveNow` can answer for it. */
const known = new Map<string, Map<number, number>>()

/**
 * Does an operator's move, with workers that have nothing in hand: each answers the hold at once, and goes on under its
 * new fences. Returns the ids that were moved.
 */
export async function moveNow(store: Store, ids: readonly string[], move: AdminMove): Promise<readonly string[]> {
  const first = await store.admin.move(ids, move, [])
  if (first.busy.length === 0) return first.moved
  const holds = await store.admin.hold(first.busy, LONG_HOLD)
  await answerHolds(store, holds)
  const second = await store.admin.move(first.busy, move, holds)
  assert.deepEqual(second.busy, [], 'the owners have answered')
  return [...first.moved, ...second.moved]
}

/** The owners of these lanes answer that they have none of their events in hand. */
export async function answerHolds(store: Store, holds: readonly Hold[]): Promise<void> {
  const { lanes } = await store.coordination.survey([...new Set(holds.map(({ backend }) => backend))])
  const held = lanes.filter((lane) => holds.some((each) => each.backend === lane.backend && each.lane === lane.lane))
  for (const [owner, some] of Map.groupBy(held, (lane) => lane.owner)) {
    if (owner === null) continue
    for (const { lane, fence } of await store.coordination.quiet(owner, some)) known.get(owner)?.set(lane, fence)
  }
}

/** Deletes events, as `moveNow` does. */
export function deleteNow(store: Store, ...ids: readonly string[]): Promise<readonly string[]> {
  return moveNow(store, ids, { kind: 'delete', published: true })
}

/** The lane as the store holds it. */
export async function laneOf(store: Store, lane: number, backend: string = BACKEND): Promise<LaneRow> {
  const survey = await store.coordination.survey([backend])
  const found = survey.lanes.find((each) => each.lane === lane && each.backend === backend)
  assert.ok(found, `lane ${lane} of ${backend} exists`)
  return found
}

/**
 * Repeats a question until the answer is neither undefined nor false; fails after ten seconds. The database's clock is
 * the only clock, so a case cannot wait for a time.
 */
export async function until<T>(what: string, ask: () => Promise<T | undefined | false>): Promise<T> {
  const deadline = performance.now() + 10_000
  for (;;) {
    const answer = await ask()
    if (answer !== undefined && answer !== false) return answer
    if (performance.now() > deadline) assert.fail(`waited ten seconds in vain until ${what}`)
    await delay(5)
  }
}

/** Waits until all these parked events are back in the hot index. */
export async function untilUnparked(store: Store, ids: readonly string[]): Promise<void> {
  const lanes = await allLanes(store)
  await until('parked events are due', async () => {
    await store.relay.unpark(NAMES, lanes, 1000)
    const fetched = new Set((await fetchAll(store)).map((row) => row.id))
    return ids.every((id) => fetched.has(id))
  })
}

type Ages = Partial<PerStatus<number | null>>

/** Deletes settled events of some age in milliseconds, as retention does, and the surplus beyond some number. */
export async function purgeNow(store: Store, ages: Ages, keep: Ages = {}): Promise<number> {
  let removed = 0
  const [oldest, most] = [ages, keep].map((given) => perStatus((status) => given[status] ?? null))
  assert.ok(oldest && most)
  const cleanUp = new CleanUp(store.retention, [ruleOf(() => true, oldest, most)])
  await cleanUp.run({ onRemoved: (count) => void (removed += count), rest: async () => true, whole: true })
  return removed
}

/** The same among the oldest rows, so many of them. */
export async function purgeAmong(store: Store, rows: number, ages: Ages): Promise<number> {
  const limits = { ages: perStatus((status) => ages[status] ?? null), upTo: perStatus(() => null) }
  const { events } = await store.retention.walk({ after: null, rows, ...limits })
  return store.retention.remove(events)
}
