import assert from 'node:assert/strict'
import { AsyncLocalStorage } from 'node:async_hooks'
import { describe, test } from 'node:test'
import { type Backend, delivered, notDelivered } from '../../src/backend/backend.ts'
import { handlers } from '../../src/backend/handlers/handlers.ts'
import { HandlerRegistry } from '../../src/handlers/handler-registry.ts'
import { Lease, moment } from '../../src/relay/lease.ts'
import { callBackend, type RelayHooks, type Sending } from '../../src/relay/send-hooks.ts'
import { Worker } from '../../src/relay/worker.ts'
import { SignalSource } from '../../src/telemetry/signals.ts'
import { QUICK, TestOutbox } from './outbox.ts'

const span = new AsyncLocalStorage<string>()

/** Enters a span for each send, and notes what went out and how the call ended. */
function tracing() {
  const sent: { readonly backend: string; readonly data: readonly unknown[]; readonly answer: unknown }[] = []
  const aroundSend = async <T>({ backend, events }: Sending, call: () => Promise<T>): Promise<T> => {
    const data = events.map((event) => event.data)
    try {
      const answer = await span.run(`send ${data.join()}`, call)
      sent.push({ backend, data, answer })
      return answer
    } catch (error) {
      sent.push({ backend, data, answer: error })
      throw error
    }
  }
  return { sent, hooks: { aroundSend } satisfies RelayHooks }
}

/** A pass of a worker with hooks over all that is due. */
async function drain(outbox: TestOutbox, backends: Record<string, Backend>, hooks: RelayHooks): Promise<number> {
  const { store, events } = outbox.broadcaster
  const parts = { store, records: events, signals: new SignalSource(outbox.broadcaster.name), hooks }
  const worker = new Worker({ ...parts, backends: new Map(Object.entries(backends)), defaultBackend: 'main' }, QUICK)
  return worker.drain()
}

describe('the hook around a send', () => {
  test('each call of a backend goes through it, and sees what it sees', async () => {
    await using outbox = new TestOutbox()
    await outbox.publish([null, null, null])
    const { sent, hooks } = tracing()
    const spans: unknown[] = []
    outbox.backend.behaviour = () => {
      spans.push(span.getStore())
      return delivered
    }
    assert.equal(await drain(outbox, { main: outbox.backend }, hooks), 3)
    const [first, ...more] = sent
    assert.deepEqual(more, [])
    assert.equal(first?.backend, 'main')
    assert.deepEqual(first?.data.toSorted(), [1, 2, 3])
    assert.deepEqual(first?.answer, [delivered, delivered, delivered])
    assert.deepEqual(spans, Array(3).fill(`send ${first?.data.join()}`))
  })

  test('where a send gave no results, also each event alone', async () => {
    await using outbox = new TestOutbox()
    await outbox.publish([null, null])
    const { sent, hooks } = tracing()
    const broken = new Error('not as a batch')
    const backend: Backend = {
      ...outbox.backend,
      send: async (events) => {
        if (events.length > 1) throw broken
        return [delivered]
      },
    }
    assert.equal(await drain(outbox, { main: backend }, hooks), 2)
    assert.deepEqual(sent.map(({ data }) => data).toSorted(), [[1], [1, 2], [2]])
    assert.equal(sent[0]?.answer, broken)
  })

  test('and each event that is handled in a transaction of the store', async () => {
    const spans: unknown[] = []
    const registry = new HandlerRegistry().onAll(() => void spans.push(span.getStore()), { name: 'one' })
    const backend = handlers(registry, { transactional: true })
    await using outbox = new TestOutbox({ local: backend })
    await outbox.publish(['a', 'a'], { backend: 'local' })
    const { sent, hooks } = tracing()
    assert.equal(await drain(outbox, { local: backend }, hooks), 2)
    assert.deepEqual(
      sent.map(({ backend: name, data }) => [name, data]),
      [
        ['local', [1]],
        ['local', [2]],
      ],
    )
    assert.deepEqual(spans, ['send 1', 'send 2'])
  })

  test('what it throws counts as if the backend had thrown it', async () => {
    await using outbox = new TestOutbox()
    await outbox.publish(['a'])
    let failures = 1
    const aroundSend = <T>(_: unknown, call: () => Promise<T>): Promise<T> => {
      if (failures-- > 0) throw new Error('no span')
      return call()
    }
    assert.equal(await drain(outbox, { main: outbox.backend }, { aroundSend }), 0)
    const record = await outbox.broadcaster.events.get({ status: 'retry' })
    assert.match(record.lastError ?? '', /no span/)
    await outbox.broadcaster.events.requeue({ status: 'retry' })
    assert.equal(await drain(outbox, { main: outbox.backend }, { aroundSend }), 1)
  })

  test('a send that fails without it fails with it', async () => {
    await using outbox = new TestOutbox()
    await outbox.publish(['a'])
    const { sent, hooks } = tracing()
    const answer = notDelivered(new Error('refused'))
    outbox.backend.behaviour = () => answer
    assert.equal(await drain(outbox, { main: outbox.backend }, hooks), 0)
    assert.deepEqual(sent, [{ backend: 'main', data: [1], answer: [answer] }])
  })

  for (const transactional of [false, true]) {
    const where = transactional ? ', in a transaction of the store' : ''
    test(`one that calls when the time of the send is over is refused, and nothing goes out late${where}`, async () => {
      let called = 0
      const late = Promise.withResolvers<void>()
      const refused = Promise.withResolvers<unknown>()
      const send = async () => {
        called++
        return [delivered]
      }
      const inTransaction = transactional && { sendInTransaction: async () => (await send())[0] }
      await using outbox = new TestOutbox()
      const backend = { ...outbox.backend, send, timeout: 100, ...inTransaction } as Backend
      const aroundSend = async <T>(_: unknown, call: () => Promise<T>): Promise<T> => {
        await late.promise
        const calling = call()
        calling.then(() => refused.resolve('called'), refused.resolve)
        return calling
      }
      await outbox.publish(['a'])
      assert.equal(await drain(outbox, { main: backend }, { aroundSend }), 0)
      // The relay has given it up: a later event of its key may be on its way.
      const { status } = await outbox.broadcaster.events.get({})
      assert.equal(status, 'retry')
      late.resolve()
      assert.equal(((await refused.promise) as { code?: string }).code, 'SEND_NOT_ATTEMPTED')
      assert.equal(called, 0)
    })
  }

  for (const over of ['the time of the send', 'the lease'] as const) {
    test(`one that calls when ${over} alone is over is refused`, async () => {
      await using outbox = new TestOutbox()
      const lease = new Lease(60_000)
      lease.extend(moment())
      const time = new AbortController()
      const hooks: RelayHooks = {
        aroundSend: (_, call) => {
          if (over === 'the lease') lease.end()
          else time.abort()
          return call()
        },
      }
      const sending = { name: 'main', backend: outbox.backend, hooks, lease }
      const calling = callBackend(sending, [], time.signal, async () => assert.fail('the backend was called'))
      await assert.rejects(calling, { code: 'SEND_NOT_ATTEMPTED' })
    })
  }
})
