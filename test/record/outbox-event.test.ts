import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { CloudEvent as OfficialEvent } from 'cloudevents'
import { DoesNotExist, MultipleObjectsReturned } from '../../src/errors.ts'
import { encodeStructured } from '../../src/event/structured.ts'
import { COLUMN_NAMES, type OutboxEventColumns, sqlName } from '../../src/record/columns.ts'
import { OutboxEvent } from '../../src/record/outbox-event.ts'

const now = new Date('2026-01-31T12:00:00.000Z')
const columns: OutboxEventColumns = {
  id: '0193d2a0-0000-7000-8000-0000000000ff',
  seq: 1,
  lane: 2,
  partitionKey: null,
  eventId: null,
  specVersion: '1.0',
  eventType: 'order.created',
  source: '/orders',
  subject: '',
  dataContentType: 'application/json',
  dataSchema: '',
  data: null,
  dataBinary: null,
  extensions: null,
  eventTime: null,
  status: 'pending',
  createdAt: now,
  updatedAt: now,
  scheduledAt: now,
  publishedAt: null,
  availableAt: null,
  retryCount: 0,
  maxRetries: 3,
  lastError: '',
  publisherBackend: '',
  publisherConfig: '{}',
  attempts: null,
  progress: null,
  generation: 0,
  errorCode: null,
  errorFingerprint: null,
}
const event = (changes: Partial<OutboxEventColumns> = {}): OutboxEvent => new OutboxEvent({ ...columns, ...changes })

describe('as text and as a CloudEvent', () => {
  test('text form and status for people', () => {
    assert.equal(String(event()), 'order.created - 0193d2a0-0000-7000-8000-0000000000ff')
    assert.equal(event({ status: 'retry' }).getStatusDisplay(), 'Retry')
  })

  test('empty attributes and null data are left out; the time is createdAt', () => {
    assert.deepEqual(event({ dataContentType: '' }).toCloudEvent(), {
      specversion: '1.0',
      id: columns.id,
      source: '/orders',
      type: 'order.created',
      time: '2026-01-31T12:00:00.000Z',
    })
  })

  test('everything that is set is there, and the official package takes it', () => {
    const made = event({
      eventId: 'own',
      partitionKey: 'k',
      subject: 's',
      dataSchema: 'https://example.com/x',
      data: '{"b":1,"a":2}',
      extensions: '{"tenant":"acme","n":1,"ok":true}',
      eventTime: '2026-01-01T00:00:00.123456789Z',
    }).toCloudEvent()
    assert.deepEqual(Object.keys(made), [
      'specversion',
      'id',
      'source',
      'type',
      'subject',
      'time',
      'datacontenttype',
      'dataschema',
      'partitionkey',
      'tenant',
      'n',
      'ok',
      'data',
    ])
    assert.equal(made.id, 'own')
    assert.equal(made.time, '2026-01-01T00:00:00.123456789Z')
    assert.equal(new OfficialEvent({ ...made }).validate(), true)
  })

  test('binary data is Base64', () => {
    const made = event({ dataBinary: new Uint8Array([0, 1]) })
    assert.equal(made.toCloudEvent()['data_base64'], 'AAE=')
    assert.equal('data' in made.toCloudEvent(), false)
    assert.deepEqual(made.data, new Uint8Array([0, 1]))
    assert.equal(made.toJSON()['data'], 'AAE=')
  })

  test('the text of data reaches the encoder untouched', () => {
    const data = '{"z": 12345678901234567890, "a":1.0}'
    assert.ok(encodeStructured(event({ data }).toEncodable()).endsWith(`"data":${data}}`))
    assert.deepEqual(event({ data }).data, { z: 12345678901234567890n, a: 1 })
  })
})

describe('columns', () => {
  test('JSON columns are parsed', () => {
    const made = event({
      publisherConfig: '{"stream":"s"}',
      attempts: '[{"at":"2026-01-31T12:00:00Z","worker":"w","error":"e"}]',
      progress: '{"handler":1}',
    })
    assert.deepEqual(made.publisherConfig, { stream: 's' })
    assert.deepEqual(made.attempts, [{ at: '2026-01-31T12:00:00Z', worker: 'w', error: 'e' }])
    assert.deepEqual(made.progress, { handler: 1 })
    assert.deepEqual(event().publisherConfig, {})
    assert.deepEqual(event().attempts, [])
    assert.equal(event().progress, null)
    assert.deepEqual(event().extensions, {})
  })

  test('a column that was not read says so', () => {
    const partial = new OutboxEvent({ id: columns.id, eventType: 'x' })
    assert.equal(partial.eventType, 'x')
    for (const name of COLUMN_NAMES) {
      if (partial.isLoaded(name) || name === 'dataBinary') continue
      assert.throws(() => partial[name], { code: 'DEFERRED_COLUMN', field: name }, name)
    }
    assert.deepEqual(partial.toJSON(), { id: columns.id, eventType: 'x' })
  })

  test('every column has a getter, and its name in the database', () => {
    const made = event()
    for (const name of COLUMN_NAMES) assert.ok(name in made, name)
    assert.deepEqual(
      ['id', 'eventType', 'dataContentType'].map((name) => sqlName(name as 'id')),
      ['id', 'event_type', 'data_content_type'],
    )
  })
})

test('a record without a store says what to do', async () => {
  const made = event()
  assert.equal(await made.load(), made)
  for (const act of [
    () => made.refresh(),
    () => made.markAsPublished(),
    () => made.markAsFailed('x'),
    () => made.incrementRetry('x'),
    async () => made.getNextByCreatedAt(),
    async () => made.getPreviousByCreatedAt(),
    async () => made.getNextByScheduledAt(),
    async () => made.getPreviousByScheduledAt(),
    async () => made.getNextByUpdatedAt(),
    async () => made.getPreviousByUpdatedAt(),
  ]) {
    await assert.rejects(act, { code: 'DETACHED_RECORD', message: /broadcaster\.events\.get/ })
  }
})

test('the exceptions stand on the class', () => {
  assert.equal(OutboxEvent.DoesNotExist, DoesNotExist)
  assert.equal(OutboxEvent.MultipleObjectsReturned, MultipleObjectsReturned)
})
