import { COLUMN_NAMES, FAR_FUTURE, type NewOutboxEvent, type OutboxEventColumns } from '../../src/record/columns.ts'
import type { Hold } from '../../src/store/admin-store.ts'
import type { LaneRow } from '../../src/store/coordination-store.ts'
import type { Outcome, Ownership } from '../../src/store/relay-store.ts'
import type { Store } from '../../src/store/store.ts'
import { RolledBackError } from '../../src/testing/store/roll-back.ts'
import { insertIn, keyHashOf, LONG_HOLD, LONG_LEASE, newEvent, purgeNow, runIn } from '../../src/testing/store/steps.ts'
import {
  ENTRY,
  type EventSpec,
  LANES,
  LATER,
  moveOf,
  type Operation,
  type OutcomeSpec,
  PAST,
} from './oracle-operations.ts'

const BACKENDS = ['default', 'other']
const HOUR = 3_600_000
const ALL_LANES = Array.from({ length: LANES }, (_, lane) => lane)

interface KnownEvent {
  readonly id: string
  readonly lane: number
  readonly seq: number
}

/** A worker, its lanes as it knows them: perhaps not its own any more. */
interface KnownWorker {
  readonly id: string
  readonly lanes: Map<string, LaneRow>
}

/**
 * A store under comparison: runs operations, and tells what came out in words that do not depend on the store: numbers
 * of events and workers for their ids, and for instants whether they are past, to come, or never.
 */
export class Subject {
  readonly #store: Store
  readonly #events: KnownEvent[] = []
  readonly #workers: KnownWorker[] = []
  readonly #generations = new Map<string, number>()
  readonly #holds = new Map<string, Hold>()
  #published = 0

  constructor(store: Store) {
    this.#store = store
  }

  async run(operation: Operation): Promise<unknown> {
    const { relay, coordination, admin } = this.#store
    switch (operation.op) {
      case 'publish':
        return this.#publish(operation.events, operation.commit)
      case 'fetch': {
        const after = operation.after === null ? 0 : (this.#event(operation.after)?.seq ?? 0)
        const cursors = ALL_LANES.map((lane) => ({ lane, after, limit: operation.limit }))
        return (await relay.fetch(operation.names, cursors)).map((row) => this.#describe(row))
      }
      case 'unpark': {
        const { woken, nextDueIn } = await relay.unpark(operation.names, operation.lanes, 1000)
        return {
          woken: woken
            .map(({ lane, firstSeq, count }) => ({
              lane,
              first: this.#events.findIndex((event) => event.seq === firstSeq),
              count,
            }))
            .sort((a, b) => a.lane - b.lane),
          next: nextDueIn === null ? 'none' : nextDueIn > HOUR / 2 ? 'later' : 'now',
        }
      }
      case 'reconcile':
        return (await relay.reconcile(operation.names, operation.lanes))
          .map(({ id, lane, partitionKey, dueIn }) => ({
            event: this.#indexOf(id),
            lane,
            partitionKey,
            due: dueIn === null ? 'never' : dueIn > HOUR / 2 ? 'later' : 'now',
          }))
          .sort((a, b) => a.event - b.event)
      case 'settle': {
        const worker = this.#worker(operation.worker)
        if (!worker) return 'no worker'
        const outcomes = operation.outcomes.flatMap((spec) => this.#outcome(spec) ?? [])
        const { lost } = await relay.settle(
          ownershipOf(worker),
          outcomes.filter((each, n) => outcomes.findIndex((other) => other.id === each.id) === n),
        )
        return lost.map((id) => this.#indexOf(id)).sort((a, b) => a - b)
      }
      case 'settleInTransaction':
        return this.#settleInTransaction(operation.worker, operation.outcome)
      case 'purge':
        return purgeNow(this.#store, {
          published: operation.published ? 0 : null,
          failed: operation.failed ? 0 : null,
          cancelled: operation.cancelled ? 0 : null,
        })
      case 'enter': {
        const name = `worker ${this.#workers.length}`
        const id = await coordination.enter({ name, backends: operation.backends, lease: LONG_LEASE })
        this.#workers.push({ id, lanes: new Map() })
        return this.#workers.length
      }
      case 'renew':
        return coordination.renew(this.#worker(operation.worker)?.id ?? NOBODY, LONG_LEASE)
      case 'survey':
        return this.#survey()
      case 'claim':
        return this.#claim(operation.worker, operation.lanes)
      case 'release': {
        const worker = this.#worker(operation.worker)
        const lanes = [...(worker?.lanes.values() ?? [])].filter((lane) => operation.lanes.includes(lane.lane))
        if (worker) await coordination.release(worker.id, lanes)
        return lanes.length
      }
      case 'leave':
        return coordination.leave(this.#worker(operation.worker)?.id ?? NOBODY)
      case 'breaker': {
        const wait = operation.later ? HOUR : 0
        const { breakers } = coordination
        if (operation.call === 'open') return breakers.open(operation.backend, wait, 'down')
        if (operation.call === 'tryProbe') return breakers.tryProbe(operation.backend, wait)
        if (operation.call === 'postpone') return breakers.postpone(operation.backend, wait, 'still down')
        return breakers.close(operation.backend)
      }
      case 'move': {
        const ids = operation.events.flatMap((n) => this.#event(n)?.id ?? [])
        const holds = operation.held ? [...this.#holds.values()] : []
        const { moved, busy } = await admin.move([...new Set(ids)], moveOf(operation.kind, operation.later), holds, {
          entry: ENTRY,
        })
        for (const id of moved) {
          // A deleted event may be published again, under its old id.
          if (operation.kind === 'delete') this.#generations.delete(id)
          else this.#generations.set(id, (this.#generations.get(id) ?? 0) + 1)
        }
        return [moved, busy].map((some) => some.map((id) => this.#indexOf(id)).sort((a, b) => a - b))
      }
      case 'correct':
        return this.#correct(operation.event, operation.held)
      case 'hold': {
        const ids = operation.events.flatMap((n) => this.#event(n)?.id ?? [])
        const holds = await admin.hold([...new Set(ids)], operation.over ? 0 : LONG_HOLD)
        for (const hold of holds) this.#holds.set(`${hold.backend} ${hold.lane}`, hold)
        return holds.map(({ backend, lane, number }) => `${backend} ${lane} ${number}`).sort()
      }
      case 'quiet': {
        const worker = this.#worker(operation.worker)
        const known = [...(worker?.lanes.values() ?? [])].filter((lane) => operation.lanes.includes(lane.lane))
        // Some answer the hold that they see, some an older one: what they saw when they took the lane.
        const isLate = operation.lanes.length % 2 === 1
        const { lanes: seen } = await coordination.look([...new Set(known.map(({ backend }) => backend))])
        const asked = known.map((lane) => {
          const now = seen.find((each) => each.backend === lane.backend && each.lane === lane.lane)
          return isLate ? lane : { ...lane, hold: now?.hold ?? lane.hold }
        })
        const quieted = worker ? await coordination.quiet(worker.id, asked) : []
        for (const lane of quieted) worker?.lanes.set(`${lane.backend} ${lane.lane}`, lane)
        return quieted.map((lane) => this.#describeLane(lane)).sort()
      }
      case 'lift':
        return admin.lift([...this.#holds.values()])
      case 'list': {
        const { where, order, limit, offset } = operation
        const rows = await admin.list({ where, order, limit, offset, columns: COLUMN_NAMES })
        return { rows: rows.map((row) => this.#describe(row)), count: await admin.count(where) }
      }
      case 'look': {
        const { backends, blockedKeys, totalRows, totalRowsIsEstimate } = await admin.look()
        return {
          backends: backends
            .filter(({ ready, delayed, blocked, scheduled, failed }) =>
              [ready, delayed, blocked, scheduled, failed].some(({ count }) => count > 0),
            )
            .map((each) => ({ ...each, oldestReadyAge: each.oldestReadyAge === null ? null : 'some' })),
          keys: blockedKeys
            .map(({ backend, partitionKey, heldBy }) => `${backend} ${partitionKey} ${this.#indexOf(heldBy)}`)
            .sort(),
          totalRows: totalRowsIsEstimate ? await admin.count([]) : totalRows,
        }
      }
    }
  }

  /** Everything that is stored. */
  async dump(): Promise<unknown> {
    const rows = await this.#store.admin.list({ where: [], order: [], limit: null, offset: 0, columns: COLUMN_NAMES })
    return {
      events: rows.map((row) => this.#describe(row)),
      order: rows.toSorted((a, b) => (a.seq ?? 0) - (b.seq ?? 0)).map((row) => this.#indexOf(row.id ?? '')),
      survey: await this.#survey(),
    }
  }

  async #publish(specs: readonly EventSpec[], commit: boolean): Promise<unknown> {
    const { publish, transaction } = this.#store
    const events = specs.map((spec) => this.#newEvent(spec))
    const published: KnownEvent[] = []
    const found: unknown[] = []
    try {
      await transaction.call(this.#store, async (tx) => {
        for (const some of inKnownOrder(events)) published.push(...(await insertIn(this.#store, tx, some)))
        for (const event of events) {
          if (published.some((row) => row.id === event.id)) continue
          const row = await runIn(this.#store, tx, publish.findDuplicate(event))
          found.push(row && (this.#indexOf(row.id ?? '') + 1 || row.id))
        }
        if (!commit) throw new RolledBackError()
      })
      this.#events.push(...events.flatMap((event) => published.filter((row) => row.id === event.id)))
    } catch (error) {
      if (!(error instanceof RolledBackError)) throw error
    }
    return { published: published.map((row) => row.id).sort(), found }
  }

  async #correct(number: number, held: boolean): Promise<unknown> {
    const event = this.#event(number)
    if (!event) return 'no event'
    const [old] = await this.#store.admin.list({
      ...{ where: [{ column: 'id', op: 'eq', value: event.id }], order: [], limit: 1, offset: 0 },
      columns: ['partitionKey', 'publisherBackend'],
    })
    const n = this.#published++
    const row = newEvent({
      ...{ id: uuid(n), data: `{"n": ${n}}`, extensions: `{"correctionof":"${event.id}"}`, ...old },
      keyHash: old?.partitionKey == null ? n : keyHashOf(old.partitionKey),
    })
    const holds = held ? [...this.#holds.values()] : []
    const { moved, busy } = await this.#store.admin.move([event.id], { kind: 'correct', row }, holds)
    if (moved.length > 0) {
      this.#generations.set(event.id, (this.#generations.get(event.id) ?? 0) + 1)
      const [stored] = await this.#store.admin.list({
        ...{ where: [{ column: 'id', op: 'eq', value: row.id }], order: [], limit: 1, offset: 0 },
        columns: ['seq', 'lane'],
      })
      this.#events.push({ id: row.id, lane: stored?.lane ?? -1, seq: stored?.seq ?? -1 })
    }
    return { moved: moved.length, busy: busy.length }
  }

  #newEvent(spec: EventSpec): NewOutboxEvent {
    const n = this.#published++
    const partitionKey = spec.key === null ? null : `k${spec.key}`
    return newEvent({
      id: this.#event(spec.again)?.id ?? uuid(n),
      partitionKey,
      keyHash: partitionKey === null ? spec.hash : keyHashOf(partitionKey),
      eventId: spec.eventId === null ? null : `e${spec.eventId}`,
      subject: ['', 'a', 'Order 1', '%', 'order_1'][n % 5] ?? '',
      data: n % 7 === 0 ? null : `{"n": ${n}}`,
      dataBinary: n % 7 === 0 ? Uint8Array.of(n % 256, 0, 255) : null,
      extensions: n % 3 === 0 ? `{"n":${n}}` : null,
      publisherBackend: spec.backend,
      maxRetries: spec.maxRetries,
      scheduledAt: spec.due === 'later' ? LATER : spec.due === 'past' ? PAST : null,
      delay: spec.due === 'delayed' ? HOUR : 0,
    })
  }

  async #settleInTransaction(worker: number, spec: OutcomeSpec | null): Promise<unknown> {
    const owner = this.#worker(worker)
    if (!owner) return 'no worker'
    const outcome = spec === null ? undefined : this.#outcome(spec)
    const written = newEvent({ id: uuid(this.#published++), keyHash: 1 })
    let row: KnownEvent | undefined
    const result = await this.#store.relay.settleInTransaction(ownershipOf(owner), async (tx) => {
      row = (await insertIn(this.#store, tx, [written]))[0]
      return outcome
    })
    if (result.recorded && row) this.#events.push(row)
    return { kind: result.outcome?.kind, recorded: result.recorded }
  }

  #outcome(spec: OutcomeSpec): Outcome | undefined {
    const event = this.#event(spec.event)
    if (!event) return undefined
    const generation = (this.#generations.get(event.id) ?? 0) - (spec.stale ? 1 : 0)
    const at = { id: event.id, lane: event.lane, generation }
    const progress = spec.progress ? { progress: `{"n":${spec.retryCount}}` } : {}
    const { kind, retryCount } = spec
    const delay = spec.later ? HOUR : 0
    if (kind === 'published') return { kind, ...at, ...progress }
    if (kind === 'retry') return { kind, ...at, retryCount, delay, error: 'refused', ...progress }
    if (kind === 'failed') return { kind, ...at, retryCount, blocks: spec.flag, error: 'given up', ...progress }
    if (kind === 'park') return { kind, ...at, delay: spec.flag ? null : delay }
    return { kind, ...at, retryCount }
  }

  async #claim(number: number, lanes: readonly number[]): Promise<unknown> {
    const worker = this.#worker(number)
    if (!worker) return 'no worker'
    const survey = await this.#store.coordination.survey(BACKENDS)
    const wanted = survey.lanes
      .filter((lane) => lanes.includes(lane.lane))
      // Every third claim is made with a fence that was never there.
      .map((lane) => (lane.lane === number ? { ...lane, fence: lane.fence + 7 } : lane))
    const claimed = await this.#store.coordination.claim(worker.id, wanted)
    for (const lane of claimed) worker.lanes.set(`${lane.backend} ${lane.lane}`, lane)
    return claimed.map((lane) => this.#describeLane(lane)).sort()
  }

  async #survey(): Promise<unknown> {
    const { workers, lanes, breakers } = await this.#store.coordination.survey(BACKENDS)
    return {
      workers: workers.map(({ name, backends }) => `${name} ${backends.toSorted()}`).sort(),
      lanes: lanes.map((lane) => this.#describeLane(lane)).sort(),
      breakers: breakers
        .map(({ backend, open, probeIn, error }) => `${backend} ${open} ${open && probeIn > HOUR / 2} ${error}`)
        .sort(),
    }
  }

  #describeLane({ backend, lane, owner, fence, attention, hold, holdLeft, quietFor }: LaneRow): string {
    const held = `hold ${hold} ${holdLeft === null ? 'none' : holdLeft > 0 ? 'held' : 'over'} quiet ${quietFor}`
    const worker = owner === null ? 'nobody' : this.#workers.findIndex((each) => each.id === owner)
    return `${backend} ${lane} owner ${worker} fence ${fence} attention ${attention} ${held}`
  }

  #describe(row: Partial<OutboxEventColumns>): unknown {
    const { seq, attempts, dataBinary, ...columns } = row
    const described: Record<string, unknown> = {}
    for (const [name, value] of Object.entries(columns)) {
      described[name] = value instanceof Date ? describeDate(value) : value
    }
    if (dataBinary !== undefined) described['dataBinary'] = dataBinary && Buffer.from(dataBinary).toString('hex')
    if (attempts != null) {
      const history: { worker: string; error: string }[] = JSON.parse(attempts)
      described['attempts'] = history.map((attempt) => `${attempt.worker}: ${attempt.error}`)
    }
    return described
  }

  #event(number: number | null): KnownEvent | undefined {
    return number === null ? undefined : this.#events[number % Math.max(1, this.#events.length)]
  }

  #worker(number: number): KnownWorker | undefined {
    return this.#workers[number % Math.max(1, this.#workers.length)]
  }

  #indexOf(id: string): number {
    return this.#events.findIndex((event) => event.id === id)
  }
}

const NOBODY = '0193d2a0-0000-7000-8000-000000000000'

/**
 * The events in groups whose rows every store numbers alike. Those without a key but with an id of their own have no
 * order to keep, and each store inserts them in that of its index.
 */
function inKnownOrder(events: readonly NewOutboxEvent[]): readonly (readonly NewOutboxEvent[])[] {
  const isFree = (event: NewOutboxEvent): boolean => event.partitionKey === null && event.eventId !== null
  return [events.filter((event) => !isFree(event)), ...events.filter(isFree).map((event) => [event])]
}

function uuid(n: number): string {
  return `0193d2a0-0000-4000-8000-1000${n.toString(16).padStart(8, '0')}`
}

function ownershipOf(worker: KnownWorker): Ownership {
  const own = [...worker.lanes.values()].filter((lane) => lane.backend === 'default')
  return { workerId: worker.id, backend: 'default', fences: new Map(own.map((lane) => [lane.lane, lane.fence])) }
}

function describeDate(date: Date): string {
  if (date.getTime() === FAR_FUTURE.getTime()) return 'never'
  if (date.getTime() === LATER.getTime() || date.getTime() === PAST.getTime()) return date.toISOString()
  return date.getTime() > Date.now() + HOUR / 2 ? 'in an hour' : 'now'
}
