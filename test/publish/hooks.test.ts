import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import type { StandardSchema } from '../../src/event/standard-schema.ts'
import type { DraftEvent, PublishHooks } from '../../src/publish/hooks.ts'
import { memoryStore } from '../../src/store/memory/memory.ts'
import type { Store } from '../../src/store/store.ts'
import { fetchAll } from '../../src/testing/store/steps.ts'
import { publisherOn } from '../support/publisher.ts'
import { STORES } from '../support/stores.ts'

const event = { type: 'order.created', source: '/orders', partitionKey: 'k', data: { card: '4711' } }
const publisherWith = (store: Store, hooks: PublishHooks) => publisherOn(store, undefined, undefined, hooks)

const reverse = (text: string): string => [...text].reverse().join('')
const encode = ({ data }: DraftEvent) => ({
  data: Buffer.from(reverse(JSON.stringify(data))),
  dataContentType: 'application/octet-stream',
  extensions: { encoding: 'reverse' },
})

for (const { name, skip, open } of STORES) {
  describe(`hooks of publish: ${name}`, { skip }, () => {
    test('attributes and data that they give are what is stored', async () => {
      const { store, close } = await open()
      try {
        const publisher = publisherWith(store, {
          enrich: [
            () => ({ traceparent: 'a', tenant: 'x' }),
            ({ extensions }) => ({ seen: `${extensions['traceparent']}` }),
          ],
          encode: async (given) => {
            await turn()
            return encode(given)
          },
        })
        const published = await store.transaction((tx) =>
          publisher.publishMany(tx, [event, { ...event, extensions: { traceparent: 'own' } }]),
        )
        const rows = await fetchAll(store)
        assert.deepEqual(
          rows.map((row) => JSON.parse(row.extensions ?? '')),
          [
            { traceparent: 'a', tenant: 'x', seen: 'a', encoding: 'reverse' },
            { traceparent: 'own', tenant: 'x', seen: 'own', encoding: 'reverse' },
          ],
        )
        for (const row of rows) {
          assert.equal(row.dataContentType, 'application/octet-stream')
          assert.equal(row.data, null)
          assert.equal(reverse(Buffer.from(row.dataBinary ?? []).toString()), '{"card":"4711"}')
        }
        assert.deepEqual(published[0]?.extensions, { traceparent: 'a', tenant: 'x', seen: 'a', encoding: 'reverse' })
      } finally {
        await close()
      }
    })
  })
}

describe('hooks of publish', () => {
  const publish = async (hooks: PublishHooks, input: object = event): Promise<void> => {
    const store = memoryStore() as Store
    await store.transaction((tx) => publisherWith(store, hooks).publish(tx, input as typeof event))
  }

  test('what they give is checked, and nothing is written', async () => {
    const refused = async (hooks: PublishHooks, message: RegExp): Promise<void> => {
      const store = memoryStore() as Store
      await store.transaction(async (tx) => {
        await assert.rejects(publisherWith(store, hooks).publish(tx, event), { code: 'INVALID_EVENT', message })
      })
      assert.equal(await store.admin.count([]), 0)
    }
    const given = (extensions: object): PublishHooks => ({ enrich: [() => extensions as Record<string, string>] })
    await refused(given({ Tenant: 'x' }), /extensions\.Tenant is not a valid extension name/)
    await refused(given({ tenant: null }), /extensions\.tenant is null/)
    await refused(given({ id: 'x' }), /extensions\.id is not an extension/)
    await refused(given({ partitionkey: 'x' }), /extensions\.partitionkey is not an extension/)
    await refused(
      { encode: () => ({ data: 'x', extensions: { source: '/x' } }) },
      /extensions\.source is not an extension/,
    )
    await refused(
      { encode: () => ({ data: 1, dataContentType: 'text/plain' }) },
      /data as encoded is 1, but "text\/plain"/,
    )
    await refused(
      { encode: () => ({ data: 1, dataContentType: 'no type' }) },
      /dataContentType as encoded is "no type"/,
    )
    const long = `text/${'x'.repeat(100)}`
    await refused(
      { encode: () => ({ data: 'x', dataContentType: long }) },
      /dataContentType as encoded has 105 characters/,
    )
    await refused({ encode: () => ({ data: new Uint8Array([0xff]) }) }, /data as encoded is bytes that are not JSON/)
  })

  test('they see the event with what the call said, and encode what its schema gave', async () => {
    const schema: StandardSchema = {
      '~standard': { version: 1, vendor: 'test', validate: () => ({ value: { from: 'schema' } }) },
    }
    const store = memoryStore() as Store
    const seen: DraftEvent[] = []
    const hooks: PublishHooks = {
      enrich: [(given) => void seen.push(given)],
      encode: (given) => {
        seen.push(given)
        return { data: given.data }
      },
    }
    const publisher = publisherOn(store, undefined, { 'order.created': schema }, hooks)
    const { partitionKey: _, ...keyless } = event
    await store.transaction((tx) => publisher.publish(tx, keyless, { partitionKey: 'of the call' }))
    const common = {
      type: 'order.created',
      source: '/orders',
      dataContentType: 'application/json',
      partitionKey: 'of the call',
      extensions: {},
    }
    assert.deepEqual(seen, [
      { ...common, data: { card: '4711' } },
      { ...common, data: { from: 'schema' } },
    ])
  })

  test('an event that is refused anyway meets no hook', async () => {
    const never = (): never => assert.fail('a hook was called')
    await assert.rejects(publish({ enrich: [never], encode: never }, { ...event, source: '' }), {
      code: 'INVALID_EVENT',
    })
  })

  test('what a hook throws, publish throws', async () => {
    const thrown = new Error('no key')
    const fail = (): never => {
      throw thrown
    }
    await assert.rejects(publish({ enrich: [fail] }), thrown)
    await assert.rejects(publish({ encode: fail }), thrown)
    await assert.rejects(publish({ encode: async () => fail() }), thrown)
  })

  test('a transaction that ends while data is encoded is refused', async () => {
    const store = memoryStore() as Store
    const { promise, resolve } = Promise.withResolvers<{ data: unknown }>()
    const publishing = await store.transaction(async (tx) => ({
      answer: publisherWith(store, { encode: () => promise }).publish(tx, event),
    }))
    resolve({ data: 1 })
    await assert.rejects(publishing.answer, { code: 'TRANSACTION_ENDED' })
    assert.equal(await store.admin.count([]), 0)
  })

  test('on a synchronous transaction an encode that is asynchronous is refused by name', async () => {
    const store = memoryStore() as Store
    await store.transaction(async (tx) => {
      const later = publisherWith(store, { encode: async () => Promise.reject(new Error('nobody waits for it')) })
      assert.throws(() => later.publishSync(tx, event), {
        code: 'INVALID_OPTION',
        field: 'encode',
        message: 'the hook encode is asynchronous; use publish instead of publishSync',
      })
      assert.equal(publisherWith(store, { encode }).publishSync(tx, event).dataContentType, 'application/octet-stream')
    })
    assert.equal(await store.admin.count([]), 1)
  })
})
