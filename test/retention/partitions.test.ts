import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, beforeEach, describe, test } from 'node:test'
import { type Backend, delivered } from '../../src/backend/backend.ts'
import { Broadcaster } from '../../src/broadcaster.ts'
import { Archive } from '../../src/retention/archive.ts'
import { CleanUp } from '../../src/retention/clean-up.ts'
import { ruleOf, rulesOf } from '../../src/retention/rules.ts'
import { idAt } from '../../src/store/postgres/partitions/cuts.ts'
import { dayBefore } from '../support/past-partitions.ts'
import { servers, skipWithout } from '../support/servers.ts'
import { DAY, idOf, keeps, PartitionedOutbox, v7 } from './partitioned-outbox.ts'

const FAR = '9999-12-31 00:00:00+00'

describe('retention of partitions', { skip: skipWithout('postgres') }, () => {
  const url = servers.postgres()?.url ?? ''
  const outbox = new PartitionedOutbox(url)
  const { place, store } = outbox
  const sql = outbox.sql.bind(outbox)
  const put = outbox.put.bind(outbox)
  const ids = outbox.ids.bind(outbox)
  const names = outbox.names.bind(outbox)
  const cleanUp = outbox.cleanUp.bind(outbox)

  beforeEach(() => outbox.reset())
  after(() => outbox.close())

  test('who may not go on any more takes nothing out, archives nothing and deletes nothing', async () => {
    const there = [await put(v7(12)), await put(randomUUID())].sort()
    const archive = new Archive(store.admin, () => assert.fail('archived'))
    const clean = (mayGoOn: () => boolean) =>
      new CleanUp(store.retention, keeps(7 * DAY), archive, undefined, true).run({
        onRemoved: () => assert.fail('removed'),
        rest: async () => true,
        mayGoOn,
      })
    const all = await names()
    await clean(() => false)
    assert.deepEqual([await ids(), await names()], [there, all])
    // Its turn is over just after a partition was taken out.
    let asked = 0
    await clean(() => asked++ === 0)
    const taken = await sql('SELECT name FROM outbox_partitions WHERE looked_at IS NOT NULL')
    assert.deepEqual([taken.length, await names()], [1, all])
  })

  test('what is old goes with its partition, and what must stay is moved and is the same', async () => {
    const gone = [await put(v7(12)), await put(v7(12)), await put(v7(10))]
    const stay = [
      await put(v7(12), { status: 'failed' }),
      await put(v7(12), { status: 'failed', available: FAR, key: 'k' }),
      await put(v7(12), { status: 'pending', available: FAR, key: 'k' }),
      await put(v7(12), { status: 'pending', available: new Date(Date.now() + 5 * DAY), scheduled: -5 }),
      // Failed, not blocking, and with a time that lies ahead: nothing parks it.
      await put(v7(11), { status: 'failed', scheduled: -3 }),
      await put(v7(6)),
    ]
    await sql(`UPDATE outbox_events SET available_at = NULL WHERE status = 'failed' AND scheduled_at > now()`)
    const before = await sql('SELECT * FROM outbox_events WHERE id = ANY ($1) ORDER BY id', [stay])
    assert.equal(await cleanUp(keeps(7 * DAY)), gone.length)
    assert.deepEqual(await ids(), [...stay].sort())
    assert.deepEqual(await sql('SELECT * FROM outbox_events ORDER BY id'), before)
    assert.equal((await names()).length, 7)
    const { length } = await sql(
      `SELECT tablename FROM pg_tables WHERE schemaname = $1 AND tablename LIKE 'outbox\\_events\\_p%'`.replace(
        'outbox\\_events',
        'outbox\\_events',
      ),
      [place.schema],
    )
    assert.ok(length >= 8)
    // They are in the default partition, and retention by rows goes on with them there.
    assert.equal((await ids('outbox_events_default')).length, 5)
    assert.equal(await cleanUp(keeps(7 * DAY, 8 * DAY)), 3)
  })

  test('a partition in which something is due stays, and is cleaned row by row with those behind it', async () => {
    const hot = await put(v7(12), { status: 'pending' })
    await put(v7(12))
    await put(v7(11))
    assert.equal(await cleanUp(keeps(7 * DAY)), 2)
    assert.deepEqual(await ids(), [hot])
    assert.equal((await names()).length, 12)
    await sql(`UPDATE outbox_events SET status = 'published', published_at = now() - interval '8 days'`)
    assert.equal(await cleanUp(keeps(7 * DAY)), 1)
    assert.equal((await names()).length, 7)
  })

  test('what is due soon stays where it is', async () => {
    const soon = await put(v7(12), { status: 'retry', available: new Date(Date.now() + 60_000), key: 'k' })
    await cleanUp(keeps(7 * DAY))
    assert.deepEqual(await ids(), [soon])
    assert.equal((await names()).length, 12)
  })

  test('no event goes before all of its partition may, and none whose rule keeps it', async () => {
    const young = await put(v7(8), { days: 2 })
    const kept = await put(v7(12), { type: 'audit.x' })
    await put(v7(12), { type: 'tick' })
    const rules = rulesOf({
      published: 7 * DAY,
      failed: null,
      cancelled: null,
      keep: { published: null, failed: null, cancelled: null },
      types: {
        'audit.*': {
          published: null,
          failed: undefined,
          cancelled: undefined,
          keep: { published: null, failed: null, cancelled: null },
        },
      },
    })
    assert.equal(await cleanUp(rules), 1)
    assert.deepEqual(await ids(), [young, kept].sort())
    assert.deepEqual(await ids('outbox_events_default'), [young, kept].sort())
  })

  test('a number is kept, but for what shares a partition with what stays: those that are whole beyond it go', async () => {
    for (let day = 12; day > 0; day--) await put(v7(day), { days: day })
    const none = { published: null, failed: null, cancelled: null }
    assert.equal(await cleanUp([ruleOf(() => true, none, { ...none, published: 5 })]), 6)
    assert.equal((await ids()).length, 6)
  })

  test('ids of version 4 are cleaned by rows, those that fall into a partition go with it', async () => {
    const chance = idOf(12).replace(/^(.{14})./, '$14')
    await put(chance)
    const random = await put('f0000000-0000-4000-8000-000000000001')
    const young = await put('f0000000-0000-4000-8000-000000000002', { days: 1 })
    assert.deepEqual(await ids('outbox_events_default'), [random, young])
    assert.equal(await cleanUp(keeps(7 * DAY)), 2)
    assert.deepEqual(await ids(), [young])
  })

  test('died after it took a partition out: the next one goes on, keeps what was settled since, and archives all that goes', async () => {
    const goes = [await put(v7(12)), await put(v7(12))]
    const late = await put(v7(12))
    const partitions = store.retention.partitions
    assert.ok(partitions)
    const [oldest] = await partitions.list()
    assert.ok(oldest)
    // An operator sends it again, and it is published, before it is taken out.
    await sql(
      'UPDATE outbox_events SET published_at = clock_timestamp(), updated_at = clock_timestamp() WHERE id = $1',
      [late],
    )
    assert.equal(await partitions.detach(oldest, []), 'detached')
    assert.deepEqual(await ids(), [])
    const archived: string[] = []
    const archive = new Archive(store.admin, async (events) => void archived.push(...events.map(({ id }) => id)))
    await cleanUp(keeps(7 * DAY), archive)
    assert.deepEqual(await ids(), [late])
    assert.deepEqual(archived.sort(), [...goes].sort())
    assert.equal((await names()).length, 7)
  })

  test('an archive that fails keeps the partition until it works again', async () => {
    const id = await put(v7(12))
    const broken = new Archive(store.admin, async () => {
      throw new Error('the disk is full')
    })
    await assert.rejects(cleanUp(keeps(7 * DAY), broken), { code: 'ARCHIVE_FAILED' })
    const archived: string[] = []
    await cleanUp(
      keeps(7 * DAY),
      new Archive(store.admin, async (events) => void archived.push(...events.map((one) => one.id))),
    )
    assert.deepEqual(archived, [id])
  })

  test('a dropped event may be published again; one that is there may not, whatever its partition', async () => {
    await put(v7(12), { eventId: 'once' })
    const other = await put(v7(3), { days: 3, eventId: 'twice' })
    await put(v7(2), { days: 2, eventId: 'twice' })
    assert.equal((await ids()).length, 2)
    await cleanUp(keeps(7 * DAY))
    const again = await put(v7(1), { days: 1, eventId: 'once' })
    assert.deepEqual(await ids(), [other, again].sort())
    await sql('DELETE FROM outbox_events WHERE id = $1', [other])
    assert.deepEqual(
      (await sql('SELECT event_id FROM outbox_identities')).map(({ event_id }) => event_id),
      ['once'],
    )
  })

  test('events whose ids lie ahead, or before all partitions, are delivered; partitions are made out of what lies ahead', async () => {
    const sent: string[] = []
    const backend: Backend = {
      send: async (events) => {
        sent.push(...events.map(({ id }) => id))
        return events.map(() => delivered)
      },
      healthCheck: async () => ({ healthy: true }),
      close: async () => {},
      capabilities: { ordersWithinSend: true },
    }
    const broadcaster = new Broadcaster({ store, name: place.schema, backends: { main: backend } })
    const odd = [v7(-5), v7(-4000), v7(4000), randomUUID(), 'ffffffff-ffff-ffff-ffff-ffffffffffff', v7(9)]
    for (const id of odd) await put(id, { days: 0, status: 'pending', scheduled: 1 })
    assert.equal((await ids('outbox_events_ahead')).length >= 2, true)
    // Seven days ahead: the one of five days is moved into its own.
    await cleanUp(keeps(7 * DAY))
    assert.equal((await ids()).length, odd.length)
    assert.equal(await broadcaster.worker({ retention: false }).drain(), odd.length)
    assert.deepEqual(sent.toSorted(), odd.toSorted())
    const { length } = await sql(`SELECT name FROM outbox_partitions WHERE low > $1`, [idAt(dayBefore(0))])
    // Seven days, what lies ahead, and the default.
    assert.equal(length, 9)
    await broadcaster.close()
  })
})
