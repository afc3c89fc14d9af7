import assert from 'node:assert/strict'
import { AsyncLocalStorage } from 'node:async_hooks'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { runInNewContext } from 'node:vm'
import { handlers } from '../../src/backend/handlers/handlers.ts'
import { classifySendError, OutageError } from '../../src/backend/send-error.ts'
import { resolveHandling } from '../../src/consumer/consumer-options.ts'
import { handleOnce } from '../../src/consumer/handling.ts'
import type { DeliveryEvent } from '../../src/event/delivery-event.ts'
import { toEncodable } from '../../src/event/encodable.ts'
import type { StandardSchema } from '../../src/event/standard-schema.ts'
import type { Handler } from '../../src/handlers/handler.ts'
import type { HandlerHooks } from '../../src/handlers/handler-hooks.ts'
import { HandlerRegistry } from '../../src/handlers/handler-registry.ts'
import { memoryStore } from '../../src/store/memory/memory.ts'
import { sampleEvent } from '../../src/testing/sample-events.ts'

const reverse = (text: string): string => [...text].reverse().join('')
const stored = Buffer.from(reverse('{"card":"4711"}'))
const span = new AsyncLocalStorage<string>()

/** What undoes an encoding that turned the text of the data round, for events that say so. */
const decode: HandlerHooks['decode'] = async ({ data, extensions }) => {
  await sleep(1)
  if (extensions['encoding'] !== 'reverse') return undefined
  const text = reverse(Buffer.from(data as Uint8Array).toString())
  return { data: JSON.parse(text) as unknown, dataContentType: 'application/json' }
}

/** Hands one event to handlers through hooks; resolves with what they threw. */
type Run = (
  run: readonly Handler[],
  hooks: HandlerHooks,
  options?: { readonly timeout?: number; readonly encoding?: string },
) => Promise<unknown>

const throughConsumer =
  (inbox: boolean, schema?: StandardSchema): Run =>
  async (run, hooks, { timeout = 5_000, encoding = 'reverse' } = {}) => {
    const parts = resolveHandling({
      name: 'billing',
      handlers: Object.fromEntries(run.map((handler, n) => [['*', 'order.*'][n], handler])),
      ...(inbox ? { store: memoryStore() } : { inbox: false }),
      ...(schema && { events: { 'order.created': schema } }),
    })
    const signal = AbortSignal.timeout(timeout)
    const context = { signal, attempt: 1, deliveries: 1, position: 'here' }
    return handleOnce({ ...parts, hooks }, received(encoding), context).then(
      () => undefined,
      (error: unknown) => error,
    )
  }

const throughRelay =
  (transactional: boolean): Run =>
  async (run, hooks, { timeout = 5_000, encoding = 'reverse' } = {}) => {
    const registry = new HandlerRegistry()
    for (const [n, handler] of run.entries()) registry.onAll(handler, { name: `handler ${n}` })
    const backend = handlers(registry, { transactional, timeout, hooks })
    const event = sampleEvent({
      eventType: 'order.created',
      data: null,
      dataBinary: stored,
      dataContentType: 'application/octet-stream',
      extensions: JSON.stringify({ encoding }),
    })
    const { signal } = new AbortController()
    const result = transactional
      ? await backend.sendInTransaction?.(event, {}, signal)
      : (await backend.send([event], signal))[0]
    return result?.ok === false ? result.error : undefined
  }

const received = (encoding: string) =>
  toEncodable({
    specversion: '1.0',
    id: '1',
    source: '/orders',
    type: 'order.created',
    datacontenttype: 'application/octet-stream',
    data_base64: stored.toString('base64'),
    encoding,
  })

const WAYS: readonly (readonly [string, Run])[] = [
  ['a consumer', throughConsumer(true)],
  ['a consumer without an inbox', throughConsumer(false)],
  ['the relay', throughRelay(false)],
  ['the relay, in a transaction', throughRelay(true)],
]

for (const [name, run] of WAYS) {
  describe(`hooks of handlers: ${name}`, () => {
    test('data is changed at read, once for all handlers', async () => {
      const seen: DeliveryEvent[] = []
      let decoded = 0
      const count: HandlerHooks['decode'] = (event, signal) => {
        decoded++
        return decode?.(event, signal)
      }
      const note: Handler = (event) => void seen.push(event)
      assert.equal(await run([note, note], { decode: count }), undefined)
      assert.equal(decoded, 1)
      assert.equal(seen.length, 2)
      for (const event of seen) {
        assert.deepEqual(event.data, { card: '4711' })
        assert.equal(event.dataContentType, 'application/json')
        assert.equal(event.type, 'order.created')
        assert.deepEqual(event.extensions, { encoding: 'reverse' })
        const { data, data_base64, datacontenttype } = event.toCloudEvent()
        assert.deepEqual(
          { data, data_base64, datacontenttype },
          {
            data: { card: '4711' },
            data_base64: undefined,
            datacontenttype: 'application/json',
          },
        )
      }
    })

    test('an event that is not encoded is left as it is', async () => {
      const seen: DeliveryEvent[] = []
      assert.equal(await run([(event) => void seen.push(event)], { decode }, { encoding: 'none' }), undefined)
      assert.deepEqual(Buffer.from(seen[0]?.data as Uint8Array), stored)
    })

    test('each call of a handler goes through the hook around it, with its event and context', async () => {
      const spans: unknown[] = []
      const aroundHandler: HandlerHooks['aroundHandler'] = async (event, { attempt }, call) => {
        const answer = await span.run(`${event.type} ${attempt} ${JSON.stringify(event.data)}`, call)
        spans.push('ended')
        return answer
      }
      const handler = async (): Promise<void> => {
        await sleep(1)
        spans.push(span.getStore())
      }
      assert.equal(await run([handler], { decode, aroundHandler }), undefined)
      assert.deepEqual(spans, ['order.created 1 {"card":"4711"}', 'ended'])
    })

    test('what a hook throws counts as if the handler had thrown it, and no handler runs', async () => {
      const never: Handler = () => assert.fail('a handler ran')
      const thrown = new OutageError('no key')
      const fail = (): never => {
        throw thrown
      }
      for (const hooks of [{ decode: fail }, { decode: async () => fail() }, { aroundHandler: fail }]) {
        const error = await run([never], hooks)
        assert.equal(classifySendError(error).kind, 'outage')
        assert.match(String(error), /no key/)
      }
    })

    test('a hook that calls its handler when its time is over does not run it', async () => {
      const { promise, resolve } = Promise.withResolvers<undefined>()
      let ran = 0
      let refused: Promise<unknown> | undefined
      const aroundHandler: HandlerHooks['aroundHandler'] = async (_, __, call) => {
        await promise
        refused = call()
        return refused
      }
      const error = await run([() => ran++], { aroundHandler }, { timeout: 20 })
      assert.match(String((error as { code?: string }).code ?? error), /HANDLER_TIMEOUT|SEND_/)
      resolve(undefined)
      await sleep(5)
      assert.equal(ran, 0)
      await assert.rejects(refused ?? Promise.resolve(), { code: 'HANDLER_TIMEOUT' })
    })

    test('a decode that hangs ends with the time of the handler, which does not run any more', {
      timeout: 10_000,
    }, async () => {
      const { promise, resolve } = Promise.withResolvers<undefined>()
      let ran = 0
      const error = await run([() => ran++], { decode: () => promise }, { timeout: 20 })
      assert.match(String((error as { code?: string }).code ?? error), /HANDLER_TIMEOUT|SEND_/)
      resolve(undefined)
      await sleep(5)
      assert.equal(ran, 0)
    })
  })
}

for (const inbox of [true, false]) {
  test(`a schema that never answers ends with the time of the handler, ${inbox ? 'with' : 'without'} an inbox`, {
    timeout: 10_000,
  }, async () => {
    const { promise, resolve } = Promise.withResolvers<{ value: unknown }>()
    const run = throughConsumer(inbox, { '~standard': { version: 1, vendor: 'test', validate: () => promise } })
    let ran = 0
    const error = await run([() => ran++], {}, { timeout: 20 })
    assert.equal((error as { code?: string }).code, 'HANDLER_TIMEOUT')
    assert.match(String(error), /the schema of 'order.created'/)
    resolve({ value: {} })
    await sleep(5)
    assert.equal(ran, 0)
  })
}

test('what a schema promises is waited for, though it is no promise of ours', async () => {
  // Of another realm, as Jest's promises are.
  const validate = () =>
    runInNewContext(`Promise.resolve({ value: { from: 'schema' } })`) as Promise<{ value: unknown }>
  const run = throughConsumer(true, { '~standard': { version: 1, vendor: 'test', validate } })
  const seen: unknown[] = []
  assert.equal(await run([({ data }) => void seen.push(data)], {}), undefined)
  // Its objects have another realm's prototypes, which the comparison of objects looks at.
  assert.equal(JSON.stringify(seen), '[{"from":"schema"}]')
})

test('a schema of the catalogue sees data as it was decoded, and handlers get what it gave', async () => {
  const asked: unknown[] = []
  const validate = (value: unknown) => {
    asked.push(value)
    return { value: { from: 'schema' } }
  }
  const run = throughConsumer(true, { '~standard': { version: 1, vendor: 'test', validate } })
  const seen: unknown[] = []
  assert.equal(await run([({ data }) => void seen.push(data)], { decode }), undefined)
  assert.deepEqual(asked, [{ card: '4711' }])
  assert.deepEqual(seen, [{ from: 'schema' }])
})
