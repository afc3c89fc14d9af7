import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Broadcaster } from 'ts-broadcaster'
import { memoryBackend } from 'ts-broadcaster/memory'
import { type SearchPage, searchEvents } from '../../src/admin/event-search.ts'
import { readFilter } from '../../src/admin/filter-language/read-filter.ts'
import { STORES } from '../support/stores.ts'

const BUDGET = { rows: 1_000_000, time: 20_000 }

for (const { name, skip, open } of STORES) {
  describe(name, { skip }, () => {
    test('pages show each event once, and a budget says where to go on', async (t) => {
      const { store, close } = await open()
      t.after(close)
      const broadcaster = new Broadcaster({ store, backends: { default: memoryBackend() }, logger: false })
      const inputs = Array.from({ length: 2_500 }, (_, n) => ({
        type: n % 2 === 0 ? 'order.created' : 'user.created',
        source: '/shop',
        data: { n },
      }))
      await broadcaster.transaction((tx) => broadcaster.publishMany(tx, inputs))
      const all = await broadcaster.events.filter().orderBy('-id').all()
      const look = (q: string, page: Partial<SearchPage>) => {
        const filter = readFilter(q, { now: new Date() })
        assert.ok(!('message' in filter))
        return searchEvents(broadcaster.admin.filter(), filter, { limit: 100, ...BUDGET, ...page })
      }
      for (const [q, oldest, wanted] of [
        ['', false, all],
        ['status:pending', true, all.toReversed()],
        ['type:order.*', false, all.filter(({ eventType }) => eventType === 'order.created')],
        ['-type:order.*', true, all.toReversed().filter(({ eventType }) => eventType !== 'order.created')],
        ['data.n:>=2400,<=10', false, undefined],
      ] as const) {
        const ids: string[] = []
        for (let after: string | undefined; ; after = ids.at(-1)) {
          const { events, more, looked } = await look(q, { after, oldest, limit: 1_000 })
          assert.equal(looked, null, q)
          for (const { id } of events) ids.push(id)
          if (!more) break
        }
        if (wanted === undefined) assert.equal(ids.length, 111)
        else
          assert.deepEqual(
            ids,
            wanted.map(({ id }) => id),
            q,
          )
      }
      // 1,000 rows of a budget hold none of the 11 oldest; going on from there finds them.
      const short = await look('data.n:<=10', { rows: 1_000 })
      assert.deepEqual([short.events.length, short.more, short.looked?.rows], [0, false, 1_000])
      assert.equal(short.looked?.last, all[999]?.id)
      const rest = await look('data.n:<=10', { after: short.looked?.last ?? '', rows: 2_000 })
      assert.deepEqual([rest.events.length, rest.looked], [11, null])
      const none = await look('type:nothing', { rows: 2_000 })
      assert.deepEqual([none.events.length, none.looked?.rows, none.looked?.last], [0, 2_000, all[1_999]?.id])
    })
  })
}
