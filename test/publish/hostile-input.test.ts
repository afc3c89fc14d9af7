import assert from 'node:assert/strict'
import { test } from 'node:test'
import { memoryBackend } from '../../src/backend/memory/memory-backend.ts'
import { Broadcaster } from '../../src/broadcaster.ts'
import type { EventInput } from '../../src/publish/event-input.ts'
import { memoryStore } from '../../src/store/memory/memory.ts'
import { postgres } from '../../src/store/postgres/postgres.ts'

const broadcaster = new Broadcaster({ store: memoryStore(), backends: { default: memoryBackend() } })

async function refusal(more: object): Promise<{ readonly code?: string; readonly message: string }> {
  const event = { type: 't', source: '/s', ...more } as unknown as EventInput
  return broadcaster.events.create(event).then(
    () => assert.fail('it was taken'),
    (error: Error) => error,
  )
}

/** A proxy whose traps throw. */
const trapped = new Proxy(
  {},
  {
    get: () => assert.fail('a trap'),
    getPrototypeOf: () => assert.fail('a trap'),
  },
)

test('what a proxy or a transferred buffer throws is told with the field', async () => {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  const bytes = new Uint8Array(4)
  structuredClone(bytes, { transfer: [bytes.buffer] })
  for (const [more, code, says] of [
    [{ data: proxy }, 'INVALID_DATA', /data cannot be written as JSON/],
    [{ data: bytes }, 'INVALID_EVENT', /data is bytes that were transferred away/],
    [{ time: trapped }, 'INVALID_EVENT', /time is object; it must be a string/],
  ] as const) {
    const error = await refusal(more)
    assert.equal(error.code, code, error.message)
    assert.match(error.message, says)
  }
})

test('a text that is far too long is refused for its length alone, by the limit that holds', async () => {
  const long = `/${'x'.repeat(8_000_000)}`
  for (const field of ['id', 'source', 'type', 'subject', 'partitionKey', 'dataSchema', 'dataContentType']) {
    const { code, message } = await refusal({ [field]: long })
    assert.equal(code, 'INVALID_EVENT')
    assert.match(message, new RegExp(`^the event is refused: ${field} has 8000001 characters; at most \\d{3} fit$`))
  }
})

test('characters are code points, as databases count them', async () => {
  assert.match(
    (await refusal({ subject: '\u{1f600}'.repeat(256) })).message,
    /subject has 256 characters; at most 255 fit/,
  )
  await broadcaster.events.create({ type: 't', source: '/s', subject: '\u{1f600}'.repeat(255) })
})

test('the number of extensions is looked at before any of them', async () => {
  const extensions = Object.fromEntries(Array.from({ length: 1_001 }, (_, n) => [`UPPER${n}`, 'v']))
  const { message } = await refusal({ extensions })
  assert.equal(message, 'the event is refused: extensions are 1001; an event has at most 1000 attributes')
})

test('a message shows no character that a terminal obeys or that cannot be seen', async () => {
  const { message } = await refusal({ source: 'a b\u007f\u0085\u202e\u2028' })
  assert.doesNotMatch(message, /[\u007f\u0085\u202e\u2028]/)
  assert.match(message, /\\u202e/)
})

test('a url that pg cannot read is refused with its field, and without its password', () => {
  for (const url of ['postgres://u:secret@[bad/x', 'postgres://u:secret@host:port/x']) {
    assert.throws(
      () => postgres({ url }),
      (error: Error) =>
        /url is .*; give a URL such as postgres:/.test(error.message) && !error.message.includes('secret'),
      url,
    )
  }
  for (const url of ['postgres://u:p%w d@host/x', 'postgres://u@/x?host=/run/postgresql', '/run/postgresql x'])
    assert.ok(postgres({ url }))
})
