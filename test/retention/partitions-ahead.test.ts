import assert from 'node:assert/strict'
import { randomBytes, randomUUID } from 'node:crypto'
import { after, beforeEach, describe, test } from 'node:test'
import { idAfter, idAt, idBefore } from '../../src/store/postgres/partitions/cuts.ts'
import { servers, skipWithout } from '../support/servers.ts'
import { DAY, keeps, PartitionedOutbox } from './partitioned-outbox.ts'

const HOUR = 3_600_000

describe('partitions that are made ahead', { skip: skipWithout('postgres') }, () => {
  const outbox = new PartitionedOutbox(servers.postgres()?.url ?? '')
  const query = outbox.sql.bind(outbox)
  beforeEach(() => outbox.reset(0))
  after(() => outbox.close())

  const makeAhead = async () => outbox.store.retention.partitions?.makeAhead()
  const beginOf = (length: number) => Math.floor(Date.now() / length) * length
  /** As if one partition had been made so many hours or days ago, and none since. */
  const lastMade = async (back: number, length: number) => {
    const [low, high] = [idAt(beginOf(length) - back * length), idAt(beginOf(length) - (back - 1) * length)]
    const rows = await query('SELECT name, last FROM outbox_partitions WHERE low <= last ORDER BY low')
    const horizon = idAfter(String(rows.at(-1)?.['last']))
    for (const { name } of rows.slice(0, -1)) await query(`DROP TABLE ${name}`)
    const name = `outbox_events_p20200101${length === HOUR ? '_00' : ''}`
    const { pool, schema } = outbox.place
    const events = `${schema}.outbox_events`
    await pool.query(`ALTER TABLE ${events} DETACH PARTITION ${events}_ahead;
ALTER TABLE ${events}_default DROP CONSTRAINT outbox_events_free;
ALTER TABLE ${events}_default ADD CONSTRAINT outbox_events_free CHECK (id < '${low}' OR id >= '${horizon}');
CREATE TABLE ${schema}.${name} PARTITION OF ${events} FOR VALUES FROM ('${low}') TO ('${high}');
ALTER TABLE ${events} ATTACH PARTITION ${events}_ahead FOR VALUES FROM ('${high}') TO ('${horizon}');
DELETE FROM ${schema}.outbox_partitions WHERE low <= last;
INSERT INTO ${schema}.outbox_partitions (low, last, name)
VALUES ('${low}', '${idBefore(high)}', '${name}'), ('${high}', '${idBefore(horizon)}', 'outbox_events_ahead')`)
  }
  const made = async () => (await query('SELECT name FROM outbox_partitions WHERE low <= last ORDER BY low')).length - 1
  const idOf = (time: number) => idAt(time).slice(0, 19) + randomUUID().slice(19)
  /** So many published events of so many hours or days ago. */
  const publish = (count: number, time: number, data = '1') =>
    query(
      `INSERT INTO outbox_events (id, event_type, source, status, lane, publisher_backend, data)
SELECT overlay(gen_random_uuid()::text placing $2 from 1 for 18)::uuid, 'a', '/s', 'published', 1, 'main', $3 FROM generate_series(1, $1::integer)`,
      [count, idOf(time).slice(0, 18), data],
    )

  test('after a long time without a worker one stands for all of it, and those to come are made, a day of them by the hour', async () => {
    await lastMade(2_000, HOUR)
    await makeAhead()
    // The first, one for all that time, the one of now, and a day.
    assert.equal(await made(), 27)
    const [wide] = await query(`SELECT last FROM outbox_partitions WHERE low <= last ORDER BY low OFFSET 1 LIMIT 1`)
    assert.equal(wide?.['last'], idBefore(idAt(beginOf(HOUR))))
    await makeAhead()
    assert.equal(await made(), 27)
  })

  test('what was published meanwhile comes into partitions of its time', async () => {
    await lastMade(40, HOUR)
    await publish(9_000, beginOf(HOUR) - 30 * HOUR)
    await publish(9_000, beginOf(HOUR) - 29 * HOUR)
    await publish(1, beginOf(HOUR) + HOUR)
    await makeAhead()
    const rows = await query(
      'SELECT tableoid::regclass::text AS name, count(*) AS count FROM outbox_events GROUP BY 1 ORDER BY 1',
    )
    assert.deepEqual(
      rows.map(({ name, count }) => [/_p\d{8}_\d\d$/.test(String(name)), count]),
      [
        [true, '9000'],
        [true, '9000'],
        [true, '1'],
      ],
    )
  })

  for (const [what, count, data] of [
    ['rows', 10_001, '1'],
    ['bytes', 600, JSON.stringify(randomBytes(12_000).toString('base64'))],
  ] as const) {
    test(`more ${what} of one interval than others can wait for are told, and it goes on when they are gone`, async () => {
      await lastMade(20, DAY)
      await publish(count, beginOf(DAY) - 10 * DAY, data)
      await assert.rejects(makeAhead(), { code: 'PARTITION_REFUSED' })
      await query(`UPDATE outbox_events SET updated_at = updated_at - interval '9 days'`)
      await assert.rejects(outbox.cleanUp(keeps(7 * DAY)), { code: 'PARTITION_REFUSED' })
      assert.deepEqual(await outbox.ids(), [])
      await outbox.cleanUp(keeps(7 * DAY))
      assert.equal((await made()) >= 8, true)
    })
  }

  test('a table that is never free is told in the end', async () => {
    await lastMade(3, DAY)
    const holder = await outbox.place.pool.connect()
    const { OldPartitions } = await import('../../src/retention/old-partitions.ts')
    const { partitions } = outbox.store.retention
    assert.ok(partitions)
    const old = new OldPartitions(partitions, keeps(7 * DAY))
    const run = () => old.run([], { onRemoved: () => undefined, rest: async () => true })
    try {
      await holder.query('BEGIN')
      await holder.query(outbox.text('LOCK TABLE ONLY outbox_events IN ROW EXCLUSIVE MODE'))
      const told = []
      for (let n = 0; n < 3; n++) told.push((await run()).failures.length)
      assert.deepEqual(told, [0, 0, 1])
    } finally {
      await holder.query('ROLLBACK')
      holder.release()
    }
    assert.deepEqual([(await run()).failures, await made()], [[], 10])
  })

  test('the last partition that was made is kept, whatever its age: it says that they are made by the hour', async () => {
    await lastMade(1_000, HOUR)
    const { partitions } = outbox.store.retention
    assert.deepEqual(await partitions?.list(), [])
    await makeAhead()
    const all = await partitions?.list()
    // That one, one for all the time since, the one of now, and those of a day but the last.
    assert.equal(all?.length, 26)
    assert.ok(all.every(({ name }) => /_p\d{8}_\d\d$/.test(name)))
  })
})
