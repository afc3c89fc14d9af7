import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { servers } from '../support/servers.ts'
import { PLACED_STORES, type PlacedStore } from '../support/store-places.ts'
import { ownStore } from './own-store.ts'

/** How many connections, or open files, `ownStore` has. */
async function connections({ place, look }: PlacedStore): Promise<number> {
  if (place.kind === 'sqlite') {
    return readdirSync('/proc/self/fd').filter((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`).startsWith(place.path)
      } catch {
        return false
      }
    }).length
  }
  const sql =
    place.kind === 'postgres'
      ? `SELECT count(*) AS n FROM pg_stat_activity WHERE application_name = '${place.schema}'`
      : 'SELECT count(*) AS n FROM information_schema.processlist WHERE db = DATABASE()'
  return Number((await look(sql))[0]?.['n'])
}

describe('a store that opened its own connections', () => {
  for (const { name, server, open } of PLACED_STORES) {
    const skip = server !== undefined && !servers[server]() ? `no ${server}` : false
    test(`${name}: close leaves none of them open`, { skip }, async () => {
      const placed = await open()
      try {
        // What the place itself holds, so that only ours is counted.
        await placed.store.schema.migrate()
        if (placed.place.kind === 'sqlite') await placed.store.close()
        const before = await connections(placed)
        const store = ownStore(placed.place)
        await Promise.all([store.schema.status(), store.admin.count([]), store.transaction(async () => undefined)])
        assert.ok((await connections(placed)) > before, 'it opened some')
        await store.close()
        // The server notices a moment later that a client is gone; a pool that was left open lets go of idle ones after 10 s.
        const deadline = performance.now() + 4_000
        while ((await connections(placed)) > before && performance.now() < deadline) {
          await new Promise((resolve) => setTimeout(resolve, 10))
        }
        assert.equal(await connections(placed), before)
      } finally {
        await placed.close()
      }
    })

    test(`${name}: a script that forgets to close it ends by itself`, { skip }, async () => {
      const placed = await open()
      const script = join(import.meta.dirname, 'unclosed-process.ts')
      let timer: NodeJS.Timeout | undefined
      try {
        await placed.store.schema.migrate()
        const child = spawn(process.execPath, [script, JSON.stringify(placed.place)], {
          stdio: ['ignore', 'pipe', 'inherit'],
        })
        const exited = once(child, 'exit')
        const [said] = await Promise.race([once(child.stdout, 'data'), exited])
        assert.equal(String(said).trim(), 'through')
        // Pools let go of idle connections by themselves: that of pg after 10 s, that of mysql2 after a minute.
        timer = setTimeout(() => child.kill('SIGKILL'), 7_000)
        assert.deepEqual(await exited, [0, null])
      } finally {
        clearTimeout(timer)
        await placed.close()
      }
    })

    test(`${name}: migrations at once, over connections that stand already`, { skip }, async () => {
      for (let round = 0; round < 3; round++) {
        const placed = await open()
        const stores = Array.from({ length: 4 }, () => ownStore(placed.place))
        try {
          // Without this the first has done its work before the others have connected.
          await Promise.all(stores.map((store) => store.schema.status()))
          await Promise.all(stores.map((store) => store.schema.migrate()))
          for (const store of stores) await store.schema.check()
          const steps = await placed.look('SELECT version FROM outbox_migrations')
          const versions = steps.map(({ version }) => Number(version))
          assert.equal(new Set(versions).size, versions.length, 'each step once')
        } finally {
          await Promise.all(stores.map((store) => store.close()))
          await placed.close()
        }
      }
    })
  }
})
