import { FAR_FUTURE, type OutboxEventColumns } from '../record/columns.ts'
import { errorCause } from '../record/error-cause.ts'
import { OutboxEvent } from '../record/outbox-event.ts'
import type { RecordSource } from '../record/record-source.ts'
import type { Outcome } from '../store/relay-store.ts'
import type { SignalSource } from '../telemetry/signals.ts'
import type { HeldEvent } from './held-event.ts'
import { answered } from './patient-store.ts'

/** What is reported of an event whose outcome was recorded. */
interface Announcement {
  readonly held: HeldEvent
  readonly outcome: Outcome
  readonly error: unknown
}

/** What the relay did not fetch, and what recording changes: listeners may read any column. */
const SETTLED_COLUMNS = [
  'updatedAt',
  'scheduledAt',
  'publishedAt',
  'availableAt',
  'lastError',
  'attempts',
  'progress',
  'errorCode',
  'errorFingerprint',
] as const satisfies readonly (keyof OutboxEventColumns)[]
/** Rows read in one query. */
const MOST_AT_ONCE = 500
/** How long a signal waits for its row, in ms; then it carries what the relay knows by itself. */
const PATIENCE = 2_000

const SIGNAL_OF = {
  published: 'event.published',
  retry: 'event.retried',
  failed: 'event.failed',
  park: 'event.blocked',
} as const

export interface AnnouncementsParts {
  readonly signals: SignalSource
  readonly records: RecordSource
  readonly backend: string
  readonly worker: string
}

/**
 * Reports recorded outcomes by signals that carry the event as it was settled, every column of it: for that the rows are
 * read once more, many in one query, and only while there is a listener. In the order in which they were recorded.
 */
export class Announcements {
  readonly #parts: AnnouncementsParts
  #queue: Announcement[] = []
  #telling: Promise<void> | undefined

  constructor(parts: AnnouncementsParts) {
    this.#parts = parts
  }

  announce(held: HeldEvent, outcome: Outcome, error: unknown): void {
    const name = signalOf(outcome)
    if (name === undefined) return
    // Of what goes well only listeners are told; of trouble also the log.
    const { signals } = this.#parts
    if (!signals.has(name) && this.#telling === undefined) {
      if (name !== 'event.published') this.#tell({ held, outcome, error }, undefined)
      return
    }
    this.#queue.push({ held, outcome, error })
    this.#telling ??= this.#run()
  }

  /** Resolves when all that was announced is emitted. */
  async idle(): Promise<void> {
    while (this.#telling !== undefined) await this.#telling
  }

  async #run(): Promise<void> {
    await Promise.resolve()
    while (this.#queue.length > 0) {
      const some = this.#queue.splice(0, MOST_AT_ONCE)
      const rows = await this.#read(some.map(({ held }) => held.id))
      for (const one of some) this.#tell(one, rows?.get(one.held.id))
    }
    this.#telling = undefined
  }

  async #read(ids: readonly string[]): Promise<ReadonlyMap<string, Partial<OutboxEventColumns>> | undefined> {
    try {
      return await answered(PATIENCE, this.#parts.records.loadMany(ids, SETTLED_COLUMNS))
    } catch {
      return undefined
    }
  }

  #tell({ held, outcome, error }: Announcement, read: Partial<OutboxEventColumns> | undefined): void {
    const { signals, records, backend, worker } = this.#parts
    const columns = read ? { ...held.row, ...read } : settledColumns(held, outcome)
    const record = new OutboxEvent(Object.assign(columns, knownColumns(held, outcome)), records)
    switch (outcome.kind) {
      case 'published':
        signals.emit('event.published', { record, backend, worker })
        break
      case 'retry': {
        const { retryCount, delay } = outcome
        signals.emit('event.retried', { record, backend, worker, retryCount, delay, error })
        break
      }
      case 'failed': {
        const { retryCount, blocks } = outcome
        signals.emit('event.failed', { record, backend, worker, retryCount, blocks, error })
        break
      }
      case 'park':
        signals.emit('event.blocked', { record, backend, worker, headId: outcome.behind ?? '' })
        break
    }
  }
}

/** Only waiting without an end is reported. */
function signalOf(outcome: Outcome) {
  if (outcome.kind === 'park' && outcome.delay !== null) return undefined
  return outcome.kind === 'sending' || outcome.kind === 'returned' ? undefined : SIGNAL_OF[outcome.kind]
}

/** What was recorded, whatever happened to the row since. */
function knownColumns({ row }: HeldEvent, outcome: Outcome): Partial<OutboxEventColumns> {
  switch (outcome.kind) {
    case 'published':
      return { status: 'published' }
    case 'retry':
    case 'failed': {
      const { kind: status, retryCount, error: lastError } = outcome
      return { status, retryCount, lastError, ...errorCause(lastError) }
    }
    default:
      return { status: row.status }
  }
}

/** The values of the columns that could not be read, by this host's clock. */
function settledColumns({ row }: HeldEvent, outcome: Outcome): Partial<OutboxEventColumns> {
  const now = new Date()
  const due = outcome.kind === 'retry' ? new Date(now.getTime() + outcome.delay) : row.createdAt
  const waits = outcome.kind === 'retry' ? due : outcome.kind === 'park' ? FAR_FUTURE : null
  return {
    ...row,
    updatedAt: now,
    scheduledAt: due,
    publishedAt: outcome.kind === 'published' ? now : null,
    availableAt: outcome.kind === 'failed' && outcome.blocks ? FAR_FUTURE : waits,
    lastError: '',
    errorCode: null,
    errorFingerprint: null,
    attempts: null,
  }
}
