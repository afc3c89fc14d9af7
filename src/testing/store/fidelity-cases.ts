import assert from 'node:assert/strict'
import type { NewOutboxEvent } from '../../record/columns.ts'
import type { Store } from '../../store/store.ts'
import type { StoreCase } from '../store-conformance.ts'
import { it, requires } from './fixture.ts'
import { fetchAll, insert, insertOne, newEvent, read } from './steps.ts'

async function roundTrip(store: Store, data: string | null): Promise<void> {
  const { id } = await insertOne(store, { data })
  assert.equal((await read(store, id)).data, data)
  assert.equal((await fetchAll(store)).find((row) => row.id === id)?.data, data)
}

/** What goes in comes out. */
export const fidelityCases: readonly StoreCase[] = [
  requires('exactJson')(
    'fidelity: the text of data survives: big integers, key order, spaces, repeated keys',
    async ({ store }) => {
      await roundTrip(store, '{"z":1,"a":123456789012345678901234567890,"m":-9007199254740993}')
      await roundTrip(store, '{ "a" : 1.10e2 ,\n "a":2 }')
      await roundTrip(store, '[1.0,1E400,0.1000000000000000055511151231257827]')
    },
  ),
  it('fidelity: unicode, quotes, backslashes and long keys survive', async ({ store }) => {
    await roundTrip(store, JSON.stringify('zażółć 中文 🎉 \u2028 "quoted" \\back\\ \'single\' $1 ? :name %s'))
    await roundTrip(store, '"line\\nfeed\\ttab\\u0001"')
    const text = {
      partitionKey: 'clé 🔑',
      eventType: 'typ/é',
      source: "https://example.com/it's?a=1&b=2",
      subject: 'Ünïcode "subject"',
      dataSchema: 'https://example.com/schema.json',
      eventTime: '2026-01-02T03:04:05.123456789+05:30',
      eventId: '事件-1',
      extensions: '{"traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01","n":7,"b":true}',
      publisherConfig: '{"stream":"a b","x":[1,{"y":null}]}',
      maxRetries: 0,
    }
    const { id } = await insertOne(store, text)
    const stored = await read(store, id)
    for (const [name, value] of Object.entries(text)) {
      assert.equal(stored[name as keyof typeof stored], value, name)
    }
  }),
  it('fidelity: JSON null, no data and the empty string are three things', async ({ store }) => {
    await roundTrip(store, 'null')
    await roundTrip(store, null)
    await roundTrip(store, '""')
    await roundTrip(store, '{}')
    await roundTrip(store, 'false')
    await roundTrip(store, '0')
  }),
  it('fidelity: every byte survives, and so does an empty binary', async ({ store }) => {
    const bytes = Uint8Array.from({ length: 512 }, (_, n) => n % 256)
    const empty = new Uint8Array(0)
    const events: NewOutboxEvent[] = [bytes, empty].map((dataBinary) => newEvent({ data: null, dataBinary }))
    const plain = newEvent()
    const rows = await insert(store, ...events, plain)
    assert.equal(rows.length, 3)
    const fetched = await fetchAll(store)
    for (const event of events) {
      const stored = await read(store, event.id)
      assert.equal(stored.data, null)
      assert.ok(stored.dataBinary instanceof Uint8Array)
      assert.ok(event.dataBinary && Buffer.from(stored.dataBinary).equals(event.dataBinary))
      const sent = fetched.find((row) => row.id === event.id)?.dataBinary
      assert.ok(sent && Buffer.from(sent).equals(event.dataBinary))
    }
    assert.equal((await read(store, plain.id)).dataBinary, null)
  }),
  it('fidelity: a megabyte survives', async ({ store }) => {
    await roundTrip(store, JSON.stringify({ text: 'é0123456789abcdef'.repeat(65_536) }))
  }),
  it('fidelity: an id comes back in its canonical form', async ({ store }) => {
    const { id } = await insertOne(store, { id: '0193d2a0-1234-7abc-8def-0123456789ab' })
    assert.equal(id, '0193d2a0-1234-7abc-8def-0123456789ab')
    assert.equal((await read(store, id)).id, id)
    assert.equal((await fetchAll(store))[0]?.id, id)
  }),
  it('fidelity: a record read from the list and a fetched row agree', async ({ store }) => {
    const { id } = await insertOne(store, { partitionKey: 'k', eventId: 'e', extensions: '{"a":"b"}' })
    const stored: Record<string, unknown> = { ...(await read(store, id)) }
    const [fetched] = await fetchAll(store)
    assert.ok(fetched)
    const { withheld, ...columns } = fetched
    assert.equal(withheld, null)
    for (const [name, value] of Object.entries(columns)) assert.deepEqual(value, stored[name], name)
  }),
]
