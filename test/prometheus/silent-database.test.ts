import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import { prometheus } from '../../src/prometheus/prometheus.ts'
import { mysql } from '../../src/store/mysql/mysql.ts'
import { postgres } from '../../src/store/postgres/postgres.ts'
import type { Store } from '../../src/store/store.ts'
import { StoppableProxy } from '../backend/stoppable-proxy.ts'
import { TestOutbox } from '../relay/outbox.ts'
import { openPlace as openMysqlPlace } from '../store/mysql-place.ts'
import { openPlace } from '../store/postgres-place.ts'
import { servers, skipWithout } from '../support/servers.ts'
import { valueIn } from './value-in.ts'

/* A scrape of an outbox whose database, a real one, takes connections and statements and says nothing more. */

interface Behind {
  readonly store: Store
  close(): Promise<void>
}

/** How long a scrape waits, in milliseconds. */
const TIMEOUT = 300

/** On a place of its own; `port` is the proxy's. */
const KINDS = {
  async postgres(port: number): Promise<Behind> {
    const { url } = servers.postgres() ?? { url: '' }
    const { schema, close } = openPlace(url, 1)
    return { store: postgres({ url: through(url, port), schema, statementTimeout: 1_000 }), close }
  },
  async mariadb(port: number): Promise<Behind> {
    const { url, close } = await openMysqlPlace(servers.mariadb()?.url ?? '')
    return { store: mysql({ url: through(url, port), statementTimeout: 1_000 }), close }
  },
} as const

function through(address: string, port: number): string {
  const url = new URL(address)
  url.port = String(port)
  return url.href
}

for (const name of ['postgres', 'mariadb'] as const) {
  describe(`a silent ${name}`, { skip: skipWithout(name), timeout: 120_000 }, () => {
    test('keeps no scrape waiting, and is told as up when it answers again', async (t: TestContext) => {
      const proxy = await StoppableProxy.to(Number(new URL(servers[name]()?.url ?? '').port))
      t.after(() => proxy.stop())
      const { store, close } = await KINDS[name](proxy.port)
      t.after(close)
      await store.schema.migrate({ lanes: 2 })
      await using outbox = new TestOutbox({}, store)
      using metrics = prometheus(outbox.broadcaster, { maxAge: 0, timeout: TIMEOUT })
      await outbox.publish(['a'])
      const scrape = async () => {
        const text = await metrics.metrics()
        return {
          up: valueIn(text, 'broadcaster_store_up'),
          waiting: valueIn(text, 'broadcaster_waiting_events', { backend: 'main' }),
          inserted: valueIn(text, 'broadcaster_events_inserted_total', { backend: 'main' }),
        }
      }
      const until = async (up: number) => {
        const end = performance.now() + 60_000
        let seen = await scrape()
        for (; seen.up !== up && performance.now() < end; seen = await scrape()) {
          await new Promise((resolve) => setTimeout(resolve, 20))
        }
        return seen
      }
      // The first look opens a connection, which may take longer than a scrape waits.
      assert.deepEqual(await until(1), { up: 1, waiting: 1, inserted: 1 })
      proxy.silence('both')
      assert.deepEqual(await scrape(), { up: 0, waiting: undefined, inserted: 1 })
      proxy.silence(false)
      proxy.cut()
      assert.deepEqual(await until(1), { up: 1, waiting: 1, inserted: 1 })
    })
  })
}
