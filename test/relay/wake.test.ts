import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import pg from 'pg'
import { eachEvent } from '../../src/backend/each-event.ts'
import { Broadcaster } from '../../src/broadcaster.ts'
import { memoryStore } from '../../src/store/memory/memory.ts'
import { postgres } from '../../src/store/postgres/postgres.ts'
import { sqlite } from '../../src/store/sqlite/sqlite.ts'
import type { Store } from '../../src/store/store.ts'
import { servers, skipWithout } from '../support/servers.ts'
import { TestOutbox } from './outbox.ts'

/** Longer than any test waits: a worker that only polled would be seen. */
const POLL = 3_600_000

/** A store for the worker and another for somebody else's process, on the same outbox. */
interface Pair extends AsyncDisposable {
  readonly store: Store
  readonly elsewhere: Store
}

const places: Readonly<Record<string, () => Promise<Pair>>> = {
  async memory() {
    const store = memoryStore({ lanes: 4 })
    return { store, elsewhere: memoryStore({ sharedWith: store }), [Symbol.asyncDispose]: async () => undefined }
  },
  async SQLite() {
    const folder = mkdtempSync(join(tmpdir(), 'broadcaster-wake-'))
    const path = join(folder, 'outbox.db')
    const [store, elsewhere] = [sqlite({ path }), sqlite({ path })]
    await store.schema.migrate()
    const dispose = async () => {
      await elsewhere.close()
      rmSync(folder, { recursive: true, force: true })
    }
    return { store: store as Store, elsewhere: elsewhere as Store, [Symbol.asyncDispose]: dispose }
  },
  async PostgreSQL() {
    const schema = `wake_relay_${process.pid}`
    const pool = new pg.Pool({ connectionString: servers.postgres()?.url, max: 6 })
    await pool.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE; CREATE SCHEMA ${schema}`)
    const [store, elsewhere] = [postgres({ pool, schema }), postgres({ pool, schema })]
    await store.schema.migrate()
    const dispose = async () => {
      await pool.query(`DROP SCHEMA ${schema} CASCADE`)
      await pool.end()
    }
    return { store: store as Store, elsewhere: elsewhere as Store, [Symbol.asyncDispose]: dispose }
  },
}

for (const [name, open] of Object.entries(places)) {
  test(`a sleeping worker is woken by a commit elsewhere, due now or later, ${name}`, {
    skip: name === 'PostgreSQL' && skipWithout('postgres'),
  }, async () => {
    await using pair = await open()
    await using outbox = new TestOutbox({}, pair.store)
    // The same outbox seen from another process: no worker of it knows of what this one commits.
    const other = new Broadcaster({ store: pair.elsewhere, backends: { main: eachEvent(() => undefined) } })
    const wake = pair.store.wake
    assert.ok(wake, 'this store can wake')
    const armed = Promise.withResolvers<void>()
    const listen = wake.listen.bind(wake)
    wake.listen = async (...args) => {
      const listener = await listen(...args)
      const arm = listener.arm.bind(listener)
      listener.arm = async () => {
        const yes = await arm()
        if (yes) armed.resolve()
        return yes
      }
      return listener
    }
    await outbox.broadcaster.worker({ pollInterval: POLL, lease: 60_000 }).start()
    await armed.promise
    await other.transaction((tx) => other.publish(tx, { type: 'now', source: '/test' }))
    await outbox.until(() => outbox.heard('event.published').length === 1)
    const [later] = await other.transaction((tx) =>
      other.publishMany(tx, [{ type: 'later', source: '/test' }], { delay: 400 }),
    )
    await outbox.until(() => outbox.heard('event.published').length === 2)
    const row = await outbox.broadcaster.events.get({ id: later?.id ?? '' })
    const late = (row.publishedAt?.getTime() ?? 0) - row.scheduledAt.getTime()
    assert.ok(late >= 0 && late < 5_000, `published ${late} ms after it was due`)
  })
}
