import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { EventManager } from '../../src/admin/events.ts'
import { BroadcasterError, DoesNotExist, MultipleObjectsReturned } from '../../src/errors.ts'
import type { EventInput, PublishOptions } from '../../src/publish/event-input.ts'
import type { ColumnName } from '../../src/record/columns.ts'
import type { OutboxEvent } from '../../src/record/outbox-event.ts'
import type { RecordFilter } from '../../src/record/record-source.ts'
import type { Store } from '../../src/store/store.ts'
import { publisherOn } from '../support/publisher.ts'
import { type OpenStore, STORES } from '../support/stores.ts'

type Create = [event: EventInput, options?: PublishOptions]

function managerOn(store: Store): EventManager<Create> {
  const events: EventManager<Create> = new EventManager(store.admin, (...input: Create) =>
    store.transaction((tx) => publisherOn(store, events).publish(tx, ...input)),
  )
  return events
}

async function collect(list: AsyncIterable<OutboxEvent>): Promise<readonly OutboxEvent[]> {
  const found: OutboxEvent[] = []
  for await (const event of list) found.push(event)
  return found
}

const subjects = (list: readonly OutboxEvent[]): string => list.map((event) => event.subject).join('')

for (const kind of STORES) {
  describe(`events on ${kind.name}`, { skip: kind.skip }, () => {
    let open: OpenStore
    let events: EventManager<Create>
    const made: OutboxEvent[] = []
    const idOf = (n: number): string => made[n]?.id ?? ''
    const at = (day: number): Date => new Date(Date.UTC(2500, 0, day))

    before(async () => {
      open = await kind.open()
      events = managerOn(open.store)
      const inputs: readonly Create[] = [
        [
          { type: 'order.created', source: '/orders', subject: 'a', data: { n: 1 }, partitionKey: 'k1' },
          { maxRetries: 0 },
        ],
        [
          { type: 'order.created', source: '/orders', subject: 'b', data: { n: 2 }, partitionKey: 'k2' },
          { scheduledAt: at(5) },
        ],
        [
          { type: 'order.paid', source: '/payments', subject: 'c', data: { n: 3 } },
          { scheduledAt: at(4), backend: 'partners' },
        ],
        [
          { type: 'invoice.sent', source: '/orders', subject: 'd', id: 'own-id', data: new Uint8Array([7]) },
          { scheduledAt: at(4) },
        ],
        [{ type: 'invoice.SENT', source: '/x', subject: 'e' }, { maxRetries: 6 }],
      ]
      for (const input of inputs) made.push(await events.create(...input))
    })
    after(() => open?.close())

    test('create returns the record, and get finds it again with all columns', async () => {
      const found = await events.get(idOf(0))
      assert.deepEqual(found.toJSON(), made[0]?.toJSON())
      assert.deepEqual(found.data, { n: 1 })
      assert.equal((await events.get({ eventId: 'own-id' })).subject, 'd')
      assert.deepEqual(Array.from((await events.get({ subject: 'd' })).data as Uint8Array), [7])
    })

    test('get raises DoesNotExist and MultipleObjectsReturned', async () => {
      await assert.rejects(events.get({ subject: 'nobody' }), (error) => {
        assert.ok(error instanceof DoesNotExist && error instanceof BroadcasterError)
        assert.equal(error.code, 'DOES_NOT_EXIST')
        assert.match(error.message, /no outbox event matches \{"subject":"nobody"\}/)
        return true
      })
      await assert.rejects(events.get({ eventType: 'order.created' }), MultipleObjectsReturned)
      await assert.rejects(events.get('no uuid'), { code: 'INVALID_OPTION', field: 'id' })
    })

    const filters: readonly (readonly [RecordFilter, string])[] = [
      [{}, 'abcde'],
      [{ eventType: 'order.created' }, 'ab'],
      [{ eventType: ['order.paid', 'invoice.sent'] }, 'cd'],
      [{ eventType: { startsWith: 'order.' }, source: { contains: 'pay' } }, 'c'],
      [{ eventType: { iexact: 'invoice.sent' } }, 'de'],
      [{ partitionKey: null }, 'cde'],
      [{ partitionKey: { ne: 'k1' } }, 'bcde'],
      [{ partitionKey: ['k1', null] }, 'acde'],
      [{ partitionKey: { notIn: ['k1', null] } }, 'b'],
      [{ partitionKey: { gt: 'k1' } }, 'b'],
      [{ maxRetries: { gt: 1, lte: 7 } }, 'bcde'],
      [{ publisherBackend: 'partners' }, 'c'],
      [{ scheduledAt: { lt: at(5), gte: at(4) } }, 'cd'],
      [{ status: 'pending', publishedAt: { isNull: true } }, 'abcde'],
      [{ status: { ne: 'pending' } }, ''],
      [{ subject: [] }, ''],
    ]
    for (const [filter, expected] of filters) {
      test(`filter and exclude ${JSON.stringify(filter)}`, async () => {
        const query = events.filter(filter)
        assert.equal(subjects(await query.all()), expected)
        assert.equal(await query.count(), expected.length)
        assert.equal(await query.exists(), expected !== '')
        if (/With|contains|iexact/.test(JSON.stringify(filter))) return
        const rest = [...'abcde'].filter((subject) => !expected.includes(subject)).join('')
        assert.equal(subjects(await events.exclude(filter).all()), rest)
      })
    }

    test('filters and exclusions add up; a query is never changed', async () => {
      const orders = events.filter({ source: '/orders' })
      const unpaid = orders.exclude({ eventType: 'order.created', partitionKey: 'k1' })
      assert.equal(subjects(await unpaid.filter({ subject: { ne: 'd' } }).all()), 'b')
      assert.equal(subjects(await unpaid.all()), 'bd')
      assert.equal(subjects(await orders.all()), 'abd')
    })

    test('order, limit, offset, first, last, count', async () => {
      const all = events.filter()
      assert.equal(subjects(await all.orderBy('-id').all()), 'edcba')
      assert.equal(subjects(await all.orderBy('-maxRetries', 'subject').all()), 'ebcda')
      assert.equal(subjects(await all.orderBy('partitionKey', '-subject').all()), 'abedc')
      assert.equal(subjects(await all.offset(1).limit(2).all()), 'bc')
      assert.equal(await all.offset(1).limit(2).count(), 2)
      assert.equal(await all.offset(4).limit(2).count(), 1)
      assert.equal(await all.limit(0).exists(), false)
      assert.equal(await all.limit(0).first(), null)
      assert.equal((await all.orderBy('-maxRetries').first())?.subject, 'e')
      assert.equal((await all.orderBy('-maxRetries').last())?.subject, 'a')
      assert.equal((await events.first())?.subject, 'a')
      assert.equal((await events.last())?.subject, 'e')
      assert.equal(await events.filter({ subject: 'x' }).first(), null)
      assert.equal(await events.filter({ subject: 'x' }).last(), null)
      assert.equal(await events.count(), 5)
      assert.equal(await events.exists(), true)
      assert.equal(subjects(await events.all()), 'abcde')
      assert.equal(subjects(await events.orderBy('-subject').limit(1).all()), 'e')
      await assert.rejects(all.limit(1).last(), { code: 'INVALID_OPTION' })
      assert.throws(() => all.limit(-1), { field: 'limit' })
      assert.throws(() => all.offset(0.5), { field: 'offset' })
      assert.throws(() => all.orderBy('-creatdAt' as 'id'), { field: 'creatdAt', message: /did you mean "createdAt"/ })
      assert.throws(() => all.orderBy('data' as 'id'), { field: 'data' })
      assert.throws(() => all.orderBy('-type' as 'id'), { field: 'type', message: /did you mean "eventType"/ })
    })

    test('a list leaves the large columns out, and a record loads them on demand', async () => {
      const [listed] = await events.filter({ subject: 'a' }).all()
      assert.ok(listed)
      for (const name of ['data', 'dataBinary', 'attempts', 'progress'] as const)
        assert.equal(listed.isLoaded(name), false)
      assert.throws(() => listed.data, { code: 'DEFERRED_COLUMN', field: 'data', message: /load\('data'\)/ })
      await listed.load('data')
      assert.deepEqual(listed.data, { n: 1 })
      assert.equal(listed.isLoaded('attempts'), false)
      await listed.load()
      assert.deepEqual(listed.attempts, [])
      assert.deepEqual(listed.toJSON(), (await events.get(idOf(0))).toJSON())
    })

    test('binary data is loaded with data', async () => {
      const [listed] = await events.filter({ subject: 'd' }).only('data').all()
      assert.deepEqual(Array.from(listed?.data as Uint8Array), [7])
      const [later] = await events.filter({ subject: 'd' }).all()
      await later?.load('data')
      assert.deepEqual(Array.from(later?.data as Uint8Array), [7])
    })

    test('defer, only and include', async () => {
      const loaded = async (query: ReturnType<typeof events.filter>): Promise<readonly string[]> => {
        const [row] = await query.filter({ subject: 'a' }).limit(1).all()
        return (['id', 'subject', 'lastError', 'data', 'attempts'] as const).filter((name) => row?.isLoaded(name))
      }
      const all = events.filter()
      assert.deepEqual(await loaded(all), ['id', 'subject', 'lastError'])
      assert.deepEqual(await loaded(all.include('data')), ['id', 'subject', 'lastError', 'data'])
      assert.deepEqual(await loaded(all.defer('lastError', 'id')), ['id', 'subject'])
      assert.deepEqual(await loaded(all.defer()), ['id', 'subject', 'lastError', 'data', 'attempts'])
      assert.deepEqual(await loaded(all.only('subject')), ['id', 'subject'])
      assert.deepEqual(await loaded(all.only('subject').include('data')), ['id', 'subject', 'data'])
      assert.throws(() => all.only('dta' as ColumnName), { code: 'INVALID_OPTION', message: /did you mean "data"/ })
      assert.throws(() => all.only('backend' as ColumnName), { message: /did you mean "publisherBackend"/ })
      const partial = await events.filter({ subject: 'a' }).only('subject').first()
      assert.throws(() => partial?.eventType, { code: 'DEFERRED_COLUMN' })
      assert.deepEqual((await events.filter({ subject: 'a' }).first())?.data, { n: 1 })
    })

    test('iterate goes through all in batches, forwards and backwards', async () => {
      for (const batch of [1, 2, 5, 100]) {
        const seen = await collect(events.iterate({ batch }))
        assert.equal(subjects(seen), 'abcde', `batch ${batch}`)
        assert.equal(subjects(await collect(events.filter().orderBy('-id').limit(3).iterate({ batch }))), 'edc')
      }
      const all = events.filter()
      await assert.rejects(collect(all.orderBy('createdAt').iterate()), { code: 'INVALID_OPTION' })
      await assert.rejects(collect(all.offset(1).iterate()), { code: 'INVALID_OPTION' })
      await assert.rejects(collect(all.iterate({ batch: 0 })), { field: 'batch' })
    })

    test('next and previous by each date, ties by id, with extra filters', async () => {
      const [a, b, c, d] = await Promise.all([0, 1, 2, 3].map((n) => events.get(idOf(n))))
      assert.ok(a && b && c && d)
      assert.equal((await a.getNextByCreatedAt()).subject, 'b')
      assert.equal((await a.getNextByCreatedAt({ source: '/payments' })).subject, 'c')
      assert.equal((await b.getPreviousByCreatedAt()).subject, 'a')
      assert.equal((await c.getNextByScheduledAt()).subject, 'd')
      assert.equal((await d.getPreviousByScheduledAt()).subject, 'c')
      assert.equal((await d.getNextByScheduledAt()).subject, 'b')
      assert.equal((await a.getNextByUpdatedAt()).subject, 'b')
      assert.equal((await b.getPreviousByUpdatedAt()).subject, 'a')
      await assert.rejects(a.getPreviousByCreatedAt(), { code: 'DOES_NOT_EXIST', message: /before/ })
      await assert.rejects(b.getNextByScheduledAt(), DoesNotExist)
      await assert.rejects(a.getNextByCreatedAt({ subject: 'a' }), DoesNotExist)
    })

    test('search by id, event id, type, source and subject', async () => {
      assert.equal(subjects(await events.search(idOf(2).toUpperCase()).all()), 'c')
      assert.equal(subjects(await events.search(' own-id ').all()), 'd')
      assert.equal(subjects(await events.search('Invoice').all()), 'de')
      assert.equal(subjects(await events.search('PAY').all()), 'c')
      assert.equal(subjects(await events.search('/x').all()), 'e')
      assert.equal(subjects(await events.search('%').all()), '')
      assert.equal(subjects(await events.search('').filter({ subject: 'a' }).all()), 'a')
    })

    test('stats', async () => {
      const stats = await events.stats()
      assert.equal(stats.backends.find((backend) => backend.backend === 'partners')?.scheduled.count, 1)
    })
  })

  describe(`moves on ${kind.name}`, { skip: kind.skip }, () => {
    let open: OpenStore
    let events: EventManager<Create>
    before(async () => {
      open = await kind.open()
      events = managerOn(open.store)
    })
    after(() => open?.close())
    const make = (subject: string, options?: PublishOptions): Promise<OutboxEvent> =>
      events.create({ type: 't', source: '/s', subject }, options)

    test('markAsPublished', async () => {
      const event = await make('published')
      assert.equal(await event.markAsPublished(), event)
      assert.equal(event.status, 'published')
      assert.ok(event.publishedAt instanceof Date)
      assert.equal(event.getStatusDisplay(), 'Published')
      await assert.rejects(event.markAsFailed('x'), {
        code: 'ILLEGAL_STATUS_MOVE',
        message: /published cannot become failed/,
      })
    })

    test('markAsFailed', async () => {
      const event = await make('failed')
      await event.markAsFailed('the reason')
      assert.equal(event.status, 'failed')
      assert.equal(event.lastError, 'the reason')
    })

    test('incrementRetry waits 2^n minutes, then fails', async () => {
      const event = await make('retry', { maxRetries: 2 })
      for (const [count, minutes] of [
        [1, 2],
        [2, 4],
      ] as const) {
        await event.incrementRetry(`error ${count}`)
        assert.equal(event.status, 'retry')
        assert.equal(event.retryCount, count)
        assert.equal(event.lastError, `error ${count}`)
        assert.equal(event.scheduledAt.getTime() - event.updatedAt.getTime(), minutes * 60_000)
      }
      await event.incrementRetry('the last')
      assert.equal(event.status, 'failed')
      assert.equal(event.retryCount, 3)
      assert.equal(event.lastError, 'the last')
      await assert.rejects(event.incrementRetry('again'), { code: 'ILLEGAL_STATUS_MOVE' })
    })

    test('a record whose row is gone', async () => {
      const event = await make('gone')
      assert.deepEqual((await events.delete(event.id)).moved, [event.id])
      await assert.rejects(event.refresh(), DoesNotExist)
      await assert.rejects(event.markAsPublished(), DoesNotExist)
    })

    test('requeue, cancel, skip, replay and reschedule by id, ids and filter', async () => {
      const [x, y, z] = [await make('m1'), await make('m2'), await make('m3')]
      const mine = { subject: { startsWith: 'm' } }
      const ids = [x, y, z].map((event) => event.id)
      await x.markAsFailed('e')
      await y.markAsPublished()
      assert.deepEqual(await events.requeue(ids), { moved: [x.id], tooLate: [y.id], unknown: [] })
      assert.deepEqual(await events.replay(ids), { moved: [y.id], tooLate: [], unknown: [] })
      const progress: number[] = []
      const cancelled = await events.cancel(mine, { batch: 2, onProgress: (moved) => progress.push(moved) })
      assert.deepEqual(cancelled.moved.toSorted(), ids.toSorted())
      assert.deepEqual(progress, [2, 3])
      assert.deepEqual((await events.cancel(mine)).moved, [])
      assert.deepEqual((await events.requeue(mine, { batch: 1 })).moved.toSorted(), ids.toSorted())
      const later = new Date('2500-01-01T00:00:00Z')
      assert.deepEqual((await events.reschedule(z.id, later)).moved, [z.id])
      assert.deepEqual((await z.refresh()).scheduledAt, later)
      await x.markAsFailed('again')
      assert.deepEqual((await events.skip(ids)).moved, [x.id])
      assert.equal((await x.refresh()).status, 'failed')
      assert.equal((await events.delete(mine, { batch: 2 })).moved.length, 3)
      assert.equal(await events.filter(mine).count(), 0)
    })

    test('an instant that no database can read is refused, and a text with U+0000 finds nothing', async () => {
      const { id } = await make('instant')
      for (const at of [new Date(Number.NaN), new Date(8.64e15), new Date(-8.64e15), 'tomorrow' as unknown as Date]) {
        await assert.rejects(events.reschedule(id, at), { code: 'INVALID_OPTION', field: 'at', retryable: false })
      }
      assert.deepEqual(await events.search('a\0b').all(), [])
    })

    test('an undefined condition is refused and nothing is changed, in reads and in actions', async () => {
      const { id } = await make('undefined')
      const filters: readonly unknown[] = [
        { createdAt: { lt: undefined } },
        { createdAt: { gte: new Date(0), lt: undefined } },
        { status: {} },
        { status: undefined },
        { subject: 'undefined', id: { in: undefined } },
        { id: [undefined] },
        undefined,
        null,
      ]
      const refused = { code: 'INVALID_OPTION' }
      for (const each of filters) {
        const filter = each as RecordFilter
        for (const move of ['requeue', 'replay', 'skip', 'cancel', 'delete'] as const) {
          await assert.rejects(events[move](filter), refused, `${move} ${JSON.stringify(each)}`)
        }
        await assert.rejects(events.reschedule(filter, new Date()), refused)
        await assert.rejects(async () => events.get(filter), refused)
        assert.throws(() => events.exclude(filter), refused)
        // Without a filter, filter() is all.
        if (each !== undefined && each !== null) assert.throws(() => events.filter(filter), refused)
      }
      for (const batch of [0, Number.NaN, 1.5]) {
        await assert.rejects(events.cancel([id], { batch }), { ...refused, field: 'batch' })
      }
      assert.equal((await events.get(id)).status, 'pending')
    })

    test('all: true means every event, in words', async () => {
      const { id } = await make('all')
      assert.ok((await events.cancel({ all: true })).moved.includes(id))
      assert.ok((await events.requeue({ all: true })).moved.includes(id))
      await assert.rejects(events.cancel({ all: false } as never), { code: 'INVALID_OPTION' })
      await assert.rejects(events.cancel({ all: true, subject: 'x' } as never), { code: 'INVALID_OPTION' })
      assert.equal((await events.get(id)).status, 'pending')
    })

    test('a filter that means everything and an id that is none are refused', async () => {
      for (const move of ['requeue', 'replay', 'skip', 'cancel', 'delete'] as const) {
        await assert.rejects(events[move]({}), { code: 'INVALID_OPTION', message: /means every event/ })
        await assert.rejects(events[move]('x'), { code: 'INVALID_OPTION', field: 'id' })
      }
    })

    test('iterate neither repeats nor misses when rows come and change on the way', async () => {
      const mine = { subject: 'stable' }
      const made = new Set<string>()
      for (let n = 0; n < 10; n++) made.add((await make('stable')).id)
      const seen: string[] = []
      for await (const event of events.filter(mine).iterate({ batch: 3 })) {
        seen.push(event.id)
        if (seen.length <= 5) made.add((await make('stable')).id)
        await event.markAsPublished()
      }
      assert.deepEqual(seen.toSorted(), [...made].toSorted())
    })
  })
}
