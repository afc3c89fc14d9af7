import { BroadcasterError, DoesNotExistError } from '../errors.ts'
import type { AttributeValue } from '../event/cloud-event.ts'
import { parseJson } from '../event/json.ts'
import { canonicalUuid } from '../event/uuid.ts'
import { type Problem, showValue, throwProblems } from '../foundation/problem.ts'
import { suggestion } from '../foundation/suggestion.ts'
import type { NewOutboxEvent } from '../record/columns.ts'
import { COLUMN_NAMES, type OutboxEventColumns } from '../record/columns.ts'
import { OutboxEvent } from '../record/outbox-event.ts'
import type { RecordSource } from '../record/record-source.ts'
import type { Status } from '../record/status.ts'
import type { AdminStore } from '../store/admin-store.ts'
import type { ActedBy } from './actor.ts'
import type { Audit, AuditCounts } from './audit-log.ts'
import { MOVABLE } from './movable.ts'
import { moveInPeace } from './move-in-peace.ts'

/** What differs in a corrected event; what is left out stays as it is, and null takes it out. */
export interface EventCorrection {
  /** CloudEvents `type`. Default: that of the old event. */
  readonly type?: string | undefined
  /** CloudEvents `source`. Default: that of the old event. */
  readonly source?: string | undefined
  /** CloudEvents `subject`. Default: that of the old event. */
  readonly subject?: string | null | undefined
  /** When it happened, a `Date` or RFC 3339. Default: the time of the old event. */
  readonly time?: Date | string | undefined
  /** CloudEvents `datacontenttype`. Default: that of the old event. */
  readonly dataContentType?: string | undefined
  /** CloudEvents `dataschema`. Default: that of the old event. */
  readonly dataSchema?: string | null | undefined
  /** What the event is about, as `publish` takes it. Default: that of the old event, as it was stored. */
  readonly data?: unknown
  /** Extension attributes beside those of the old event, or in place of them; null takes one out. Default: none. */
  readonly extensions?: Readonly<Record<string, AttributeValue | null | undefined>> | undefined
  /** Options of the event for its backend. Default: those of the old event. */
  readonly backendConfig?: Readonly<Record<string, unknown>> | undefined
  /** Retries after the first attempt. Default: those of the old event. */
  readonly maxRetries?: number | undefined
}

/** Who corrects an event, and how long that may take. */
export interface CorrectOptions extends ActedBy {
  /** How long it waits for a worker that has the event in hand, in milliseconds. Default 11,000. */
  readonly patience?: number | undefined
  /** Ends that wait. Default: none. */
  readonly signal?: AbortSignal | undefined
}

/** Corrects an event, by its id; resolves with the new one. */
export type CorrectEvent = (id: string, changes: EventCorrection, options?: CorrectOptions) => Promise<OutboxEvent>

/** How a Broadcaster publishes, as far as the door needs it. */
export interface Publishing {
  /** The row that a publish to this backend would insert, checked; empty = the default backend. */
  check(
    event: unknown,
    options: {
      readonly backend: string
      readonly backendConfig?: Readonly<Record<string, unknown>>
      readonly maxRetries?: number
    },
    isStored: boolean,
  ): Promise<NewOutboxEvent>
  /** Tells of a row that was stored and committed. */
  announce(event: OutboxEvent): void
}

const CORRECTABLE: readonly Status[] = MOVABLE.cancel

/** What may be given anew. */
export const CHANGES = [
  'type',
  'source',
  'subject',
  'time',
  'dataContentType',
  'dataSchema',
  'data',
  'extensions',
  'backendConfig',
  'maxRetries',
]

/** Puts corrected events in the places of old ones. */
export class Corrections {
  readonly #admin: AdminStore
  readonly #records: RecordSource
  readonly #publishing: Publishing
  readonly #audit: Audit

  constructor(admin: AdminStore, records: RecordSource, publishing: Publishing, audit: Audit) {
    this.#admin = admin
    this.#records = records
    this.#publishing = publishing
    this.#audit = audit
  }

  async correct(
    given: string,
    changes: EventCorrection,
    { by, reason, ...wait }: CorrectOptions = {},
  ): Promise<OutboxEvent> {
    const id = typeof given === 'string' ? canonicalUuid(given) : undefined
    if (id === undefined) {
      const message = `the id ${showValue(given)} is not a UUID; give the id of an outbox event`
      throw new BroadcasterError('INVALID_OPTION', message, { field: 'id', value: given })
    }
    const changed = readChanges(changes)
    const old = await this.#read(id)
    const row = await this.#newRow(old, changed)
    let counts: AuditCounts = { moved: 0 }
    await this.#audit.write(
      { what: 'correct', target: { ids: [id], to: { id: row.id, changed: Object.keys(changed) } }, by, reason },
      async () => {
        const { moved, unknown } = await moveInPeace(this.#admin, [id], { kind: 'correct', row }, wait)
        if (moved.length > 0) counts = { moved: 1 }
        else if (unknown.length > 0) {
          counts = { moved: 0, unknown: 1 }
          const message = `event ${id} is in hand at a worker that did not answer in time; nothing was changed: try again`
          throw new BroadcasterError('EVENT_IN_HAND', message, { field: 'id', value: id })
        } else {
          // Where no history is kept, what was sent is gone.
          const status = (await this.#find(id))?.status
          const wasSent = status === undefined || status === 'published'
          counts = wasSent ? { moved: 0, tooLate: 1 } : { moved: 0, leftAlone: 1 }
          throw notCorrectable(id, status)
        }
      },
      () => counts,
    )
    const event = new OutboxEvent(await this.#read(row.id), this.#records)
    this.#publishing.announce(event)
    return event
  }

  /** The row of the new event: the old one's attributes, with the changes. */
  async #newRow(old: OutboxEventColumns, changes: EventCorrection): Promise<NewOutboxEvent> {
    if (!CORRECTABLE.includes(old.status)) throw notCorrectable(old.id, old.status)
    const {
      type = old.eventType,
      source = old.source,
      subject = old.subject,
      time = old.eventTime ?? old.createdAt,
      dataContentType = old.dataContentType,
      dataSchema = old.dataSchema,
      backendConfig = parseJson(old.publisherConfig) as Readonly<Record<string, unknown>>,
      maxRetries = Math.max(0, old.maxRetries - 1),
    } = changes
    const keepsData = changes.data === undefined
    const data = keepsData ? (old.dataBinary ?? (old.data === null ? undefined : parseJson(old.data))) : changes.data
    const event = {
      ...{ type, source, time, data },
      ...(subject && { subject }),
      ...(dataSchema && { dataSchema }),
      dataContentType,
      ...(old.partitionKey !== null && { partitionKey: old.partitionKey }),
      extensions: extensionsOf(old, changes),
    }
    const options = { backend: old.publisherBackend, backendConfig, maxRetries }
    const row = await this.#publishing.check(event, options, keepsData)
    // To the letter, however its numbers are written.
    return keepsData ? { ...row, data: old.data, dataBinary: old.dataBinary } : row
  }

  async #read(id: string): Promise<OutboxEventColumns> {
    const row = await this.#find(id)
    if (row !== undefined) return row
    throw new DoesNotExistError(`there is no outbox event ${id}`, { field: 'id', value: id })
  }

  async #find(id: string): Promise<OutboxEventColumns | undefined> {
    const where = [{ column: 'id', op: 'eq', value: id }] as const
    const [row] = await this.#admin.list({ where, order: [], limit: 1, offset: 0, columns: COLUMN_NAMES })
    return row as OutboxEventColumns | undefined
  }
}

function extensionsOf(
  old: OutboxEventColumns,
  { extensions = {} }: EventCorrection,
): Readonly<Record<string, AttributeValue>> {
  const before = (old.extensions === null ? {} : parseJson(old.extensions)) as Readonly<Record<string, AttributeValue>>
  const all = { ...before, ...extensions, correctionof: old.eventId ?? old.id }
  const present = Object.entries(all).filter(([, value]) => value !== null && value !== undefined)
  return Object.fromEntries(present) as Record<string, AttributeValue>
}

/** The changes, without what is undefined. Throws `INVALID_OPTION`. */
function readChanges(given: EventCorrection): EventCorrection {
  const problems: Problem[] = []
  const report = (field: string, value: unknown, message: string): void => {
    problems.push({ code: 'INVALID_OPTION', field, value, message })
  }
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    report('changes', given, `are ${showValue(given)}; give an object such as { data }`)
    throwProblems('the correction', problems)
  }
  const changes = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
  for (const [name, value] of Object.entries(changes)) {
    if (name === 'partitionKey') {
      report(name, value, 'cannot be corrected, since the new event takes the place of the old one in its key')
    } else if (!CHANGES.includes(name)) {
      report(
        name,
        value,
        `is not what a correction changes${suggestion(name, CHANGES) || `; there are ${CHANGES.join(', ')}`}`,
      )
    }
  }
  const { extensions } = changes as EventCorrection
  if (
    extensions !== undefined &&
    (typeof extensions !== 'object' || extensions === null || Array.isArray(extensions))
  ) {
    report('extensions', extensions, `are ${showValue(extensions)}; give an object`)
  } else if (extensions !== undefined && Object.hasOwn(extensions, 'correctionof')) {
    report('extensions.correctionof', extensions['correctionof'], 'names the old event; leave it out')
  } else if (extensions !== undefined && Object.hasOwn(extensions, 'partitionkey')) {
    report('extensions.partitionkey', extensions['partitionkey'], 'cannot be corrected; leave it out')
  }
  if (Object.keys(changes).length === 0) {
    report('changes', given, 'change nothing; say what differs, or requeue the event as it is')
  }
  throwProblems('the correction', problems)
  return changes
}

/** `status` undefined: it was there a moment ago. */
function notCorrectable(id: string, status: string | undefined): BroadcasterError {
  const why =
    status === undefined || status === 'published'
      ? 'was sent: it is too late to correct it; publish another event, which says so'
      : `is ${status}; only an event that is still to be delivered, or failed, is corrected`
  return new BroadcasterError('ILLEGAL_STATUS_MOVE', `event ${id} ${why}`, { field: 'id', value: id })
}
