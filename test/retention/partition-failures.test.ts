import assert from 'node:assert/strict'
import { after, beforeEach, describe, test } from 'node:test'
import { Archive } from '../../src/retention/archive.ts'
import type { PartitionStore } from '../../src/store/retention-store.ts'
import type { Store } from '../../src/store/store.ts'
import { servers, skipWithout } from '../support/servers.ts'
import { DAY, keeps, PartitionedOutbox, v7 } from './partitioned-outbox.ts'

describe('partitions that cannot be dropped', { skip: skipWithout('postgres') }, () => {
  const outbox = new PartitionedOutbox(servers.postgres()?.url ?? '')
  beforeEach(() => outbox.reset())
  after(() => outbox.close())

  /** The store, one of whose steps with partitions fails. */
  const failingAt = (step: keyof PartitionStore): Store => {
    const { retention } = outbox.store
    const fails = async () => {
      throw new Error(`no ${step}`)
    }
    return {
      ...outbox.store,
      retention: { ...retention, partitions: { ...(retention.partitions as PartitionStore), [step]: fails } },
    }
  }

  for (const step of ['list', 'isAtRest', 'page', 'detach'] as const) {
    test(`where \`${step}\` fails all that may go is deleted row by row, and the error told afterwards`, async () => {
      await outbox.put(v7(12))
      await outbox.put(v7(11))
      const young = await outbox.put(v7(3), { days: 3 })
      await assert.rejects(outbox.cleanUp(keeps(7 * DAY), undefined, failingAt(step)), { message: `no ${step}` })
      assert.deepEqual([await outbox.ids(), (await outbox.names()).length], [[young], 12])
    })
  }

  test('where none can be made ahead those that are over are dropped, and the error told afterwards', async () => {
    await outbox.put(v7(12))
    await assert.rejects(outbox.cleanUp(keeps(7 * DAY), undefined, failingAt('makeAhead')), { message: 'no makeAhead' })
    assert.deepEqual([await outbox.ids(), (await outbox.names()).length], [[], 7])
  })

  test('where one that was taken out cannot be dropped no other is taken out, and the rest goes row by row', async () => {
    await outbox.put(v7(12))
    await outbox.put(v7(11))
    const store = failingAt('drop')
    for (let n = 0; n < 2; n++) {
      await assert.rejects(outbox.cleanUp(keeps(7 * DAY), undefined, store), { message: 'no drop' })
      const taken = await outbox.sql('SELECT name FROM outbox_partitions WHERE looked_at IS NOT NULL')
      assert.deepEqual([await outbox.ids(), taken.length, (await outbox.names()).length], [[], 1, 12])
    }
    await outbox.cleanUp(keeps(7 * DAY))
    assert.equal((await outbox.names()).length, 7)
  })

  test('while a transaction holds the table nothing is dropped, and all goes row by row; then the partitions go', async () => {
    await outbox.put(v7(12))
    await outbox.put(v7(11))
    const holder = await outbox.place.pool.connect()
    try {
      await holder.query('BEGIN')
      await holder.query(outbox.text('LOCK TABLE ONLY outbox_events IN ROW EXCLUSIVE MODE'))
      assert.equal(await outbox.cleanUp(keeps(7 * DAY)), 2)
      assert.equal((await outbox.names()).length, 12)
    } finally {
      await holder.query('ROLLBACK')
      holder.release()
    }
    await outbox.cleanUp(keeps(7 * DAY))
    assert.deepEqual([await outbox.ids(), (await outbox.names()).length], [[], 7])
  })

  test('an archive that fails is told once, and takes nothing away', async () => {
    await outbox.put(v7(12))
    const other = await outbox.put(v7(11))
    const broken = new Archive(outbox.store.admin, async () => {
      throw new Error('the disk is full')
    })
    await assert.rejects(outbox.cleanUp(keeps(7 * DAY), broken), { code: 'ARCHIVE_FAILED' })
    await assert.rejects(outbox.cleanUp(keeps(7 * DAY), broken), { code: 'ARCHIVE_FAILED' })
    assert.deepEqual([await outbox.ids(), (await outbox.names()).length], [[other], 12])
  })

  test('who finishes what another worker took out goes by what that one had seen, and the clock may be set back', async () => {
    await outbox.put(v7(12))
    const moved = await outbox.put(v7(12))
    const partitions = outbox.store.retention.partitions
    assert.ok(partitions)
    const [seen] = await partitions.list()
    assert.ok(seen)
    // Settled anew since, by a clock that is days behind.
    await outbox.sql(`UPDATE outbox_events SET updated_at = updated_at - interval '1 day' WHERE id = $1`, [moved])
    const [later] = await partitions.list()
    assert.ok(later)
    assert.equal(await partitions.detach(seen, []), 'detached')
    assert.equal(await partitions.detach(later, []), 'elsewhere')
    await outbox.cleanUp([])
    assert.deepEqual(await outbox.ids(), [moved])
  })

  test('what comes back stays whole, though another event has its own id by now', async () => {
    const late = await outbox.put(v7(12), { eventId: 'mine' })
    const partitions = outbox.store.retention.partitions
    assert.ok(partitions)
    const [oldest] = await partitions.list()
    assert.ok(oldest)
    await outbox.sql('UPDATE outbox_events SET updated_at = clock_timestamp() WHERE id = $1', [late])
    await partitions.detach(oldest, [])
    const next = await outbox.put(v7(1), { eventId: 'mine', days: 1 })
    await outbox.cleanUp(keeps(365 * DAY))
    assert.deepEqual(await outbox.ids(), [late, next])
    await outbox.sql('DELETE FROM outbox_events WHERE id = $1', [late])
    assert.deepEqual(await outbox.sql('SELECT id FROM outbox_identities'), [{ id: next }])
  })

  test('more bytes than others can wait for are not moved: the partition is cleaned row by row', async () => {
    const big = await outbox.put(v7(12), { type: 'big', status: 'failed' })
    await outbox.put(v7(12))
    await outbox.sql(
      `UPDATE outbox_events SET data_binary = (SELECT decode(string_agg(md5(n::text), ''), 'hex') FROM generate_series(1, 600000) AS n) WHERE id = $1`,
      [big],
    )
    assert.equal(await outbox.cleanUp(keeps(7 * DAY)), 1)
    assert.deepEqual([await outbox.ids(), (await outbox.names()).length], [[big], 12])
  })
})
