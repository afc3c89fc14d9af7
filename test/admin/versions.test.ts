import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Broadcaster } from 'ts-broadcaster'
import { memoryBackend } from 'ts-broadcaster/memory'
import { skipWithout } from '../support/servers.ts'
import { PLACED_STORES } from '../support/store-places.ts'

for (const { name, server, open } of PLACED_STORES) {
  describe(`versions of workers on ${name}`, { skip: server ? skipWithout(server) : false }, () => {
    test('that differ are found and in the status, decide nothing about health, and are gone with the worker', async () => {
      const placed = await open()
      const { store } = placed
      await store.schema.migrate({ lanes: 2 })
      const broadcaster = new Broadcaster({ store, backends: { main: memoryBackend() }, logger: false })
      try {
        await broadcaster.worker().start()
        const other = { name: 'forgotten', backends: ['main'], lease: 60_000, version: '0.0.1' }
        const id = await store.coordination.enter(other)
        const { findings, workers } = await broadcaster.status()
        assert.equal(workers.find((one) => one.id === id)?.version, '0.0.1')
        const found = findings.find(({ code }) => code === 'versions-differ')
        assert.match(found?.message ?? '', /0\.0\.1 \(forgotten\)/)
        const { live, ready } = await broadcaster.health()
        assert.deepEqual({ live, ready }, { live: true, ready: true })
        await store.coordination.leave(id)
        assert.ok((await broadcaster.status()).findings.every(({ code }) => code !== 'versions-differ'))
      } finally {
        await broadcaster.close()
        await placed.close()
      }
    })
  })
}
