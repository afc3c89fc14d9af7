import type { OutgoingEvent } from '../event/outgoing-event.ts'
import { uuidV7 } from '../event/uuid.ts'
import type { SendRow } from '../record/columns.ts'
import { FetchedEvent } from '../record/fetched-event.ts'

/** The instant at which sample events were created. */
const CREATED = new Date('2026-01-02T03:04:05.678Z')

/** An event as the relay hands it to a backend: a plain `order.created`, with these columns of its row changed. */
export function sampleEvent(overrides: Partial<SendRow> = {}): OutgoingEvent {
  return new FetchedEvent({
    id: uuidV7(),
    seq: 1,
    lane: 0,
    partitionKey: null,
    eventId: null,
    specVersion: '1.0',
    eventType: 'order.created',
    source: '/orders',
    subject: '',
    dataContentType: 'application/json',
    dataSchema: '',
    data: '{"total":42}',
    dataBinary: null,
    extensions: null,
    eventTime: null,
    status: 'pending',
    createdAt: CREATED,
    retryCount: 0,
    maxRetries: 3,
    publisherBackend: 'default',
    generation: 0,
    publisherConfig: '{}',
    progress: null,
    ...overrides,
  })
}

/**
 * Sample events, `count` of them, spread evenly over `keys` partition keys (0 = without a key). `data` is `{ n }`,
 * counting from 0 in the order of the list.
 */
export function sampleEvents(count: number, keys = 0, overrides: Partial<SendRow> = {}): readonly OutgoingEvent[] {
  return Array.from({ length: count }, (_, n) =>
    sampleEvent({
      seq: n + 1,
      partitionKey: keys === 0 ? null : `key-${n % keys}`,
      data: `{"n":${n}}`,
      ...overrides,
    }),
  )
}
