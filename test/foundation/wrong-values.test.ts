import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Broadcaster, Consumer } from 'ts-broadcaster'
import { HandlerRegistry, handlers } from 'ts-broadcaster/handlers'
import { memoryBackend, memoryStore } from 'ts-broadcaster/memory'
import { mysql } from 'ts-broadcaster/mysql'
import { postgres } from 'ts-broadcaster/postgres'
import { webhookReceiver } from 'ts-broadcaster/webhook'
import { memorySubscription } from '../../src/consumer/memory/memory-subscription.ts'

/** Who takes hooks, and one that it knows. */
const TAKERS = {
  Broadcaster: {
    known: { encode: () => ({ data: 1 }) },
    make: (hooks: object) => new Broadcaster({ store: memoryStore(), backends: { default: memoryBackend() }, hooks }),
  },
  Consumer: {
    known: { decode: () => undefined },
    make: (hooks: object) =>
      new Consumer({ name: 'c', subscription: memorySubscription(), handlers: HANDLERS, inbox: false, hooks }),
  },
  handlers: {
    known: { aroundHandler: async () => undefined },
    make: (hooks: object) =>
      handlers(
        new HandlerRegistry().on('a.b', () => undefined, { name: 'h' }),
        { hooks },
      ),
  },
  webhookReceiver: {
    known: { decode: () => undefined },
    make: (hooks: object) => webhookReceiver({ name: 'r', keys: false, handlers: HANDLERS, inbox: false, hooks }),
  },
}
const HANDLERS = { 'a.b': () => undefined }

for (const [name, { known, make }] of Object.entries(TAKERS)) {
  test(`${name}: hooks without one that it knows are refused`, () => {
    make(known)
    for (const wrong of [{ trace: {}, context: {} }, { foo() {} }, [], () => undefined, {}]) {
      assert.throws(() => make(wrong), {
        code: 'INVALID_OPTION',
        field: 'hooks',
        message: /hooks is .* that does not fit; give hooks, such as openTelemetry\(api\)/,
      })
    }
  })
}

test('a url that is an empty text hints at the environment', () => {
  for (const open of [postgres, mysql]) {
    assert.throws(() => open({ url: '' }), /url is ""; give a URL .* \(is the environment variable set\?\)/)
  }
  assert.throws(
    () => postgres({ url: 'x' }),
    (error: Error) => !error.message.includes('environment'),
  )
})
