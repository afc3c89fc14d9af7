import { COLUMN_NAMES, type OutboxEventColumns } from '../../record/columns.ts'
import type { StoredAuditEntry } from '../audit-store.ts'
import { MemoryInbox } from './inbox.ts'
import { MemoryHistory } from './memory-history.ts'
import type { MemoryOperation } from './operations.ts'
import type { BeforeMove } from './undo.ts'

/** A stored row; the store changes it in place. */
export type MemoryRow = { -readonly [Name in keyof OutboxEventColumns]: OutboxEventColumns[Name] } & {
  seq: number
  lane: number
}

export interface MemoryLane {
  readonly backend: string
  readonly lane: number
  owner: string | null
  fence: number
  attention: number
  hold: number
  /** By the outbox's clock. */
  holdUntil: number | null
  quietFor: number
}

export interface MemoryWorker {
  readonly id: string
  readonly name: string
  readonly backends: readonly string[]
  readonly version: string | null
  leaseUntil: number
}

export interface MemoryBreaker {
  open: boolean
  probeAt: number
  since: number | null
  error: string
  paused: { readonly by: string; readonly reason: string; readonly at: number } | null
}

export interface MemoryDestination {
  probeAt: number
  readonly since: number
  error: string
}

/** The tables of the memory store, and its clock. */
export class MemoryOutbox {
  readonly laneCount: number
  /** Milliseconds since the epoch: the database's clock. */
  readonly now: () => number
  readonly rows = new Map<string, MemoryRow>()
  readonly #byIdentity = new Map<string, MemoryRow>()
  readonly lanes: MemoryLane[] = []
  readonly workers = new Map<string, MemoryWorker>()
  readonly breakers = new Map<string, MemoryBreaker>()
  /** By backend, then by name. */
  readonly destinations = new Map<string, Map<string, MemoryDestination>>()
  /** When what was taken of a rate is paid for, in ms, by backend and destination. */
  readonly rates = new Map<string, number>()
  /** By the name of the duty. */
  readonly duties = new Map<string, { readonly holder: string; readonly leaseUntil: number }>()
  readonly inbox = new MemoryInbox()
  readonly history = new MemoryHistory()
  /** By number, in their order. */
  readonly audit = new Map<number, StoredAuditEntry>()
  /** Each at its number minus one. */
  readonly operations: MemoryOperation[] = []
  /** What events were before a move that can be undone, by entry of the audit and id. */
  readonly undo = new Map<number, Map<string, BeforeMove>>()
  /** Called after a commit of due events, and when lanes need attention. */
  readonly listeners = new Set<() => void>()
  #seq = 0
  #audits = 0

  constructor(laneCount: number, now: () => number) {
    this.laneCount = laneCount
    this.now = now
  }

  /** As in a real database, a number is not used again after a rollback. */
  nextSeq(): number {
    return ++this.#seq
  }

  get lastSeq(): number {
    return this.#seq
  }

  nextAudit(): number {
    return ++this.#audits
  }

  add(row: MemoryRow): void {
    this.rows.set(row.id, row)
    const identity = identityOf(row)
    if (identity !== undefined) this.#byIdentity.set(identity, row)
  }

  remove(row: MemoryRow): void {
    this.rows.delete(row.id)
    const identity = identityOf(row)
    if (identity !== undefined) this.#byIdentity.delete(identity)
  }

  /** The stored row that is the same event. */
  sameAs(event: Identified): MemoryRow | undefined {
    const identity = identityOf(event)
    return this.rows.get(event.id) ?? (identity === undefined ? undefined : this.#byIdentity.get(identity))
  }

  bySeq(only: (row: MemoryRow) => boolean = () => true): readonly MemoryRow[] {
    return [...this.rows.values()].filter(only).sort((a, b) => a.seq - b.seq)
  }

  wake(): void {
    for (const listener of [...this.listeners]) listener()
  }

  /** Makes the lanes of a backend unless they exist. */
  makeLanes(backend: string): void {
    if (this.lanes.some((lane) => lane.backend === backend)) return
    for (let lane = 0; lane < this.laneCount; lane++) {
      this.lanes.push({ backend, lane, owner: null, fence: 0, attention: 0, hold: 0, holdUntil: null, quietFor: 0 })
    }
  }

  /** The lanes that a row may be sent from; an event without a backend name concerns that lane of every backend. */
  lanesOf({ lane: number, publisherBackend }: MemoryRow): readonly MemoryLane[] {
    return this.lanes.filter(
      ({ lane, backend }) => lane === number && (publisherBackend === backend || publisherBackend === ''),
    )
  }

  raiseAttention(rows: readonly MemoryRow[]): void {
    for (const lane of new Set(rows.flatMap((row) => this.lanesOf(row)))) lane.attention++
    if (rows.length > 0) this.wake()
  }
}

type Identified = Pick<OutboxEventColumns, 'id' | 'eventId' | 'source' | 'publisherBackend'>

/** The identity by which an event is stored once; undefined when its row id alone is. */
function identityOf(row: Identified): string | undefined {
  return row.eventId === null ? undefined : JSON.stringify([row.source, row.eventId, row.publisherBackend])
}

/** Whether two are the same event for the same backend. */
export function isSameEvent(a: Identified, b: Identified): boolean {
  if (a.id === b.id) return true
  return (
    a.eventId !== null && a.eventId === b.eventId && a.source === b.source && a.publisherBackend === b.publisherBackend
  )
}

/** A copy of some columns, so that nobody outside can change the table. */
export function copyColumns<Name extends keyof OutboxEventColumns>(
  row: OutboxEventColumns,
  names: readonly Name[],
): Pick<OutboxEventColumns, Name> {
  return structuredClone(Object.fromEntries(names.map((name) => [name, row[name]]))) as Pick<OutboxEventColumns, Name>
}

/** A copy of all columns. */
export function copyRow(row: OutboxEventColumns): OutboxEventColumns {
  return copyColumns(row, COLUMN_NAMES)
}
