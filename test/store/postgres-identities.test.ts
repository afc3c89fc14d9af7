import assert from 'node:assert/strict'
import { randomBytes, randomUUID } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { Pool } from 'pg'
import { memoryBackend } from '../../src/backend/memory/memory-backend.ts'
import { Broadcaster } from '../../src/broadcaster.ts'
import { postgres } from '../../src/store/postgres/postgres.ts'
import type { Store } from '../../src/store/store.ts'
import { servers, skipWithout } from '../support/servers.ts'
import { openPlace, type Place } from './postgres-place.ts'

describe('own ids on a partitioned table', { skip: skipWithout('postgres') }, () => {
  const url = servers.postgres()?.url ?? ''
  let place: Place
  let store: Store
  const role = `publisher_${randomBytes(6).toString('hex')}`

  before(async () => {
    place = openPlace(url)
    store = postgres({ pool: place.pool, schema: place.schema, listen: false }) as Store
    await store.schema.migrate({ lanes: 8 })
    await place.pool.query(`CREATE ROLE ${role} LOGIN PASSWORD 'secret'`)
    await place.pool.query(`GRANT USAGE ON SCHEMA ${place.schema} TO ${role}`)
    for (const table of [
      'events',
      'lanes',
      'workers',
      'breakers',
      'settings',
      'migrations',
      'duties',
      'destinations',
    ]) {
      await place.pool.query(`GRANT SELECT, INSERT, UPDATE, DELETE ON ${place.schema}.outbox_${table} TO ${role}`)
    }
    await store.schema.partition?.({ ahead: 1 })
  })
  after(async () => {
    await store.close()
    await place.pool.query(`DROP OWNED BY ${role}`)
    await place.pool.query(`DROP ROLE ${role}`)
    await place.close()
  })

  const insert = `INSERT INTO outbox_events (id, event_type, source, event_id, lane, publisher_backend) VALUES ($1, 'a', '/s', 'mine', 1, 'main')`
  const sql = (text: string) => text.replaceAll('outbox_', `${place.schema}.outbox_`)

  test('of two that publish an id which was just deleted one has it', async () => {
    const { pool } = place
    const first = randomUUID()
    await pool.query(sql(insert), [first])
    const { rows } = await pool.query(`SELECT pg_get_functiondef($1::regproc) AS text`, [
      `${place.schema}.outbox_identify`,
    ])
    const text: string = rows[0].text
    // Both have met the event, and neither has looked whose it is.
    const wide = text.replace(
      'SELECT i.id INTO owner',
      'PERFORM pg_advisory_xact_lock_shared(4711); SELECT i.id INTO owner',
    )
    assert.notEqual(wide, text)
    await pool.query(wide)
    const gate = await pool.connect()
    await gate.query('SELECT pg_advisory_lock(4711)')
    const both = [randomUUID(), randomUUID()].map((id) => pool.query(sql(insert), [id]))
    for (;;) {
      const waiting = await pool.query(
        `SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711 AND NOT granted`,
      )
      if (waiting.rowCount === 2) break
      await setTimeout(10)
    }
    await pool.query(sql('DELETE FROM outbox_events WHERE id = $1'), [first])
    await gate.query('SELECT pg_advisory_unlock(4711)')
    gate.release()
    const counts = (await Promise.all(both)).map(({ rowCount }) => rowCount)
    await pool.query(text)
    assert.deepEqual(counts.toSorted(), [0, 1])
    const left = await pool.query(sql('SELECT e.id = i.id AS same FROM outbox_events AS e, outbox_identities AS i'))
    assert.deepEqual(left.rows, [{ same: true }])
  })

  test('a role that published and delivered before the table was partitioned goes on', async () => {
    const { host, port, pathname } = new URL(url)
    const pool = new Pool({ connectionString: `postgres://${role}:secret@${host || `localhost:${port}`}${pathname}` })
    const own = postgres({ pool, schema: place.schema, listen: false })
    const broadcaster = new Broadcaster({ store: own, backends: { main: memoryBackend() }, logger: false })
    const event = { type: 'a.b', source: '/s', data: 'x', id: 'own' }
    const publish = () => broadcaster.transaction((tx) => broadcaster.publish(tx, event))
    assert.deepEqual([(await publish()).duplicate, (await publish()).duplicate], [false, true])
    await place.pool.query(sql(`DELETE FROM outbox_events WHERE event_id = 'mine'`))
    assert.equal(await broadcaster.processPendingEvents(), 1)
    await broadcaster.close()
    await pool.end()
  })
})
