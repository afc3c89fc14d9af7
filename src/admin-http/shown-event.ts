import { readFilter } from '../admin/filter-language/read-filter.ts'
import { stringifyJson } from '../event/json.ts'
import { FAR_FUTURE } from '../record/columns.ts'
import { errorCode } from '../record/error-cause.ts'
import type { OutboxEvent } from '../record/outbox-event.ts'
import { UNSETTLED } from '../record/status.ts'
import type { EventDetail, EventRow } from './api-types.ts'
import { hidesAny, type MaskRule, maskBy } from './masking.ts'
import type { Signer } from './signed.ts'

/** Stands for a filter that names what the user may not see. */
const HIDDEN_FILTER = '(a filter that names data, keys or texts)'
/** Hashes whose keys are remembered, so that a filter by one is answered at once. */
const REMEMBERED = 10_000

/** Shows events as the user may see them. */
export class EventView {
  readonly #signer: Signer
  readonly #showKeys: boolean
  readonly #rules: readonly MaskRule[]
  readonly #mask: ReturnType<typeof maskBy>
  readonly #keys = new Map<string, string>()

  constructor(signer: Signer, { showKeys, mask }: { readonly showKeys: boolean; readonly mask: readonly MaskRule[] }) {
    this.#signer = signer
    this.#showKeys = showKeys
    this.#rules = mask
    this.#mask = maskBy(mask)
  }

  /** Stands for a key, and cannot be guessed from it: 16 hexadecimal digits. */
  readonly hashOf = (key: string): string => {
    const hash = this.#signer.hash('key', key)
    this.#keys.delete(hash)
    this.#keys.set(hash, key)
    const [oldest] = this.#keys.size > REMEMBERED ? this.#keys.keys() : []
    if (oldest !== undefined) this.#keys.delete(oldest)
    return hash
  }

  /** The key of a hash that was shown lately. */
  readonly keyOf = (hash: string): string | undefined => this.#keys.get(hash)

  /** A key as it may be shown. */
  key(key: string): string | null {
    return this.#showKeys ? key : null
  }

  /** A filter as it was written, unless it names what is hidden here. One of the command is JSON or words. */
  filter(text: string, now: Date): string {
    if (this.#showKeys) return text
    const read = readFilter(text, { now, keyOf: this.keyOf, hashOf: this.hashOf })
    const isPrivate = 'message' in read ? /key/i.test(text) : read.isPrivate
    return isPrivate ? HIDDEN_FILTER : text
  }

  /** The data as text with what is hidden taken out; null also for bytes. */
  readonly dataText = (event: OutboxEvent): string | null => this.#mask(event.eventType, event.dataJson).text

  row(event: OutboxEvent): EventRow {
    const { partitionKey, lastError } = event
    return {
      id: event.id,
      eventId: event.eventId,
      seq: event.seq,
      source: event.source,
      type: event.eventType,
      subject: event.subject,
      key: partitionKey === null ? null : this.key(partitionKey),
      keyHash: partitionKey === null ? null : this.hashOf(partitionKey),
      backend: event.publisherBackend,
      status: event.status,
      retryCount: event.retryCount,
      maxRetries: event.maxRetries,
      lastError,
      errorCode: event.errorCode ?? errorCode(lastError),
      fingerprint: event.errorFingerprint,
      createdAt: event.createdAt.toISOString(),
      updatedAt: event.updatedAt.toISOString(),
      dueAt: event.scheduledAt.toISOString(),
      publishedAt: event.publishedAt?.toISOString() ?? null,
      blocked: isBlocked(event),
      waitsFor: null,
    }
  }

  /** `showsData`: the user may see the data at all. */
  detail(event: OutboxEvent, showsData: boolean, waitsFor: string | null): EventDetail {
    const { dataJson, dataBinary, eventType } = event
    const hidden = !showsData || (dataBinary !== null && hidesAny(this.#rules, eventType))
    const shown = hidden ? { text: null, masked: ['$'] } : this.#mask(eventType, dataJson)
    const extensions = { ...event.extensions }
    if (!this.#showKeys) delete extensions['partitionkey']
    return {
      ...this.row(event),
      waitsFor,
      specVersion: event.specVersion,
      dataContentType: event.dataContentType,
      dataSchema: event.dataSchema,
      eventTime: event.eventTime,
      dataText: shown.text,
      dataBase64: hidden || dataBinary === null ? null : Buffer.from(dataBinary).toString('base64'),
      dataSize: dataBinary?.byteLength ?? Buffer.byteLength(dataJson ?? ''),
      masked: dataJson === null && dataBinary === null ? [] : shown.masked,
      extensionsText: stringifyJson(extensions),
      configText: stringifyJson(event.publisherConfig),
      lane: event.lane,
      availableAt: event.availableAt?.toISOString() ?? null,
      generation: event.generation,
    }
  }
}

/** Whether an event waits behind a failed one of its key, or is that one. Pure. */
export function isBlocked({ status, availableAt }: Pick<OutboxEvent, 'status' | 'availableAt'>): boolean {
  if (availableAt === null) return false
  return status === 'failed' || (UNSETTLED.includes(status) && availableAt.getTime() === FAR_FUTURE.getTime())
}
