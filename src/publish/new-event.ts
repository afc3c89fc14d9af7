import { types } from 'node:util'
import type { Backend } from '../backend/backend.ts'
import { BroadcasterError } from '../errors.ts'
import { stringifyJson } from '../event/json.ts'
import { lostInJson } from '../event/json-loss.ts'
import type { OutgoingEvent } from '../event/outgoing-event.ts'
import { encodeStructured } from '../event/structured.ts'
import { uuidV7 } from '../event/uuid.ts'
import { describeError } from '../foundation/describe-error.ts'
import type { Problem } from '../foundation/problem.ts'
import type { InsertedRow, NewOutboxEvent, OutboxEventColumns } from '../record/columns.ts'
import { FetchedEvent } from '../record/fetched-event.ts'
import { hashKey } from '../record/hash-key.ts'
import type { Draft } from './draft.ts'
import type { CheckedPublishOptions } from './publish-options.ts'

/** The most data of an event for a backend without a limit, in bytes: 64 MiB. */
const MOST_EVENT_BYTES = 67_108_864

/**
 * The rows of one event, one for each of its backends. The event id differs from the row's id when the caller gave one,
 * or when several rows are one event. Problems are added to the list.
 */
export function newOutboxEvents(
  draft: Draft,
  delivery: CheckedPublishOptions,
  to: readonly (readonly [string, Backend])[],
  problems: Problem[],
): readonly NewOutboxEvent[] {
  const binary = types.isUint8Array(draft.data) ? draft.data : null
  const partitionKey = readKey(draft, delivery, problems)
  const event = {
    partitionKey,
    keyHash: partitionKey === null ? null : hashKey(partitionKey),
    eventId: draft.eventId ?? (to.length > 1 ? uuidV7() : null),
    specVersion: '1.0',
    eventType: draft.type,
    source: draft.source,
    subject: draft.subject,
    dataContentType: draft.dataContentType,
    dataSchema: draft.dataSchema,
    data: binary ? null : writeData(draft, problems),
    dataBinary: binary,
    extensions: Object.keys(draft.extensions).length > 0 ? writeExtensions(draft) : null,
    eventTime: draft.time,
    scheduledAt: delivery.scheduledAt,
    delay: delivery.delay,
    maxRetries: delivery.maxRetries,
    publisherConfig: delivery.configJson,
  }
  return to.map(([name, backend]) => {
    const row: NewOutboxEvent = { id: uuidV7(), ...event, publisherBackend: name }
    if (backend.maxEventBytes === undefined) checkData(row, name, draft.at, problems)
    if (backend.maxEventBytes === undefined && !backend.checkEvent) return row
    const outgoing = unstored(row)
    if (backend.maxEventBytes !== undefined) checkSize(outgoing, name, backend.maxEventBytes, draft.at, problems)
    const problem = eventProblem(backend, name, outgoing, draft)
    if (problem) problems.push(problem)
    return row
  })
}

/** All columns of a row that was just inserted: what we sent, and what the database added. */
export function insertedColumns(row: NewOutboxEvent, inserted: InsertedRow): OutboxEventColumns {
  const { keyHash: _hash, delay: _delay, ...sent } = row
  return {
    ...sent,
    ...inserted,
    status: 'pending',
    publishedAt: null,
    retryCount: 0,
    lastError: '',
    attempts: null,
    progress: null,
    generation: 0,
    errorCode: null,
    errorFingerprint: null,
  }
}

function readKey(draft: Draft, delivery: CheckedPublishOptions, problems: Problem[]): string | null {
  const { at, partitionKey: own } = draft
  const { partitionKey: given } = delivery
  if (own !== null && given !== null && own !== given) {
    const message = `is "${given}", but the event's own is "${own}"; give one of them`
    problems.push({ code: 'INVALID_EVENT', field: `${at}partitionKey`, value: given, message })
  }
  return own ?? given
}

/** A value that JSON cannot hold, such as a bigint, has been reported with the attributes. */
function writeExtensions({ extensions }: Draft): string | null {
  try {
    return JSON.stringify(extensions)
  } catch {
    return null
  }
}

function writeData({ data, at }: Draft, problems: Problem[]): string | null {
  if (data === undefined || data === null) return null
  try {
    const text = stringifyJson(data)
    const lost = lostInJson(data, text)
    if (lost)
      problems.push({ code: 'INVALID_DATA', field: `${at}data${lost.path}`, value: data, message: lost.message })
    return text
  } catch (error) {
    if (!(error instanceof BroadcasterError)) throw error
    problems.push({ code: error.code, field: `${at}data`, value: data, message: `is refused: ${error.message}` })
    return null
  }
}

/** Only the database knows `createdAt`; any instant has the same length when encoded. */
const ANY_INSTANT = new Date(0)

/** The event of a row that is not yet inserted, as its backend will get it. */
function unstored(row: NewOutboxEvent): OutgoingEvent {
  const unknown = { createdAt: ANY_INSTANT, updatedAt: ANY_INSTANT, scheduledAt: ANY_INSTANT, availableAt: null }
  return new FetchedEvent(insertedColumns(row, { id: row.id, seq: 0, lane: 0, ...unknown }))
}

function checkSize(event: OutgoingEvent, backend: string, limit: number, at: string, problems: Problem[]): void {
  const bytes = Buffer.byteLength(encodeStructured(event.toEncodable()))
  if (bytes <= limit) return
  const message = `makes an event of ${bytes} bytes, and the backend "${backend}" takes at most ${limit}; store it elsewhere and send a reference`
  problems.push({ code: 'EVENT_TOO_LARGE', field: `${at}data`, value: bytes, message })
}

/** For a backend without a size limit: what one statement cannot read in time would never be delivered. */
function checkData(row: NewOutboxEvent, backend: string, at: string, problems: Problem[]): void {
  const bytes = row.dataBinary?.byteLength ?? row.data?.length ?? 0
  if (bytes <= MOST_EVENT_BYTES) return
  const message = `has ${bytes} bytes; without a \`maxEventBytes\` of its own the backend "${backend}" takes at most ${MOST_EVENT_BYTES}; store it elsewhere and send a reference`
  problems.push({ code: 'EVENT_TOO_LARGE', field: `${at}data`, value: bytes, message })
}

/** Lets a backend refuse an event that it could never carry. */
function eventProblem(backend: Backend, name: string, event: OutgoingEvent, draft: Draft): Problem | undefined {
  try {
    backend.checkEvent?.(event)
    return undefined
  } catch (error) {
    const { code, field, value } = error instanceof BroadcasterError ? error : ({ code: 'INVALID_EVENT' } as const)
    const message = `is refused by the backend "${name}": ${describeError(error)}`
    return { code, field: draft.at + (field === undefined ? 'event' : draft.label(field)), value, message }
  }
}
