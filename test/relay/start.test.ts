import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { BroadcasterError } from '../../src/errors.ts'
import { memoryStore } from '../../src/store/memory/memory.ts'
import { sqlite } from '../../src/store/sqlite/sqlite.ts'
import type { Store } from '../../src/store/store.ts'
import { TestOutbox } from './outbox.ts'

/** A start that waits where it should reject ends with its test. */
const limit = { timeout: 15_000 }

function openOutbox(t: TestContext, store: Store): TestOutbox {
  const outbox = new TestOutbox({}, store)
  t.after(() => outbox[Symbol.asyncDispose]())
  return outbox
}

/** A store whose database is away while `line.away`. */
function awayable() {
  const store = memoryStore({ lanes: 2 }) as Store
  const line = { away: true }
  const { check } = store.schema
  store.schema.check = async () => {
    if (line.away) throw new BroadcasterError('STORE_UNAVAILABLE', 'connection refused')
    return check()
  }
  return { store, line }
}

test('a worker waits for a database that is away when it starts, and says so once', limit, async (t: TestContext) => {
  const { store, line } = awayable()
  const outbox = openOutbox(t, store)
  const worker = outbox.broadcaster.worker()
  const started = worker.start()
  await outbox.until(() => outbox.heard('store.down').length === 1)
  assert.equal(worker.isRunning, false)
  await outbox.publish(['a'])
  line.away = false
  await started
  await outbox.until(() => outbox.heard('event.published').length === 1)
  assert.equal(outbox.heard('store.down').length, 1)
  assert.equal(outbox.heard('store.up').length, 1)
})

for (const how of ['stop', 'abort'] as const) {
  test(`a worker that waits for its database ends at once: ${how}`, limit, async (t: TestContext) => {
    // The pause between two tries does not end by itself.
    t.mock.timers.enable({ apis: ['setTimeout'] })
    const { store } = awayable()
    const outbox = openOutbox(t, store)
    const worker = outbox.broadcaster.worker()
    const abort = new AbortController()
    const running = how === 'stop' ? worker.start() : worker.run(abort.signal)
    await outbox.until(() => outbox.heard('store.down').length === 1)
    if (how === 'stop') await worker.stop()
    else abort.abort()
    await running
    assert.equal(worker.isRunning, false)
    assert.equal(outbox.heard('worker.started').length, 0)
  })
}

test('with failFast a database that is away rejects the start', limit, async (t: TestContext) => {
  const { store } = awayable()
  const outbox = openOutbox(t, store)
  await assert.rejects(outbox.broadcaster.worker({ failFast: true }).start(), { code: 'STORE_UNAVAILABLE' })
})

test('a database without the schema rejects the start, and is not waited for', limit, async (t: TestContext) => {
  const folder = mkdtempSync(join(tmpdir(), 'broadcaster-start-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const store = sqlite({ path: join(folder, 'a.db') }) as Store
  const outbox = openOutbox(t, store)
  await assert.rejects(outbox.broadcaster.worker().start(), { code: 'SCHEMA_MISSING', message: /broadcaster migrate/ })
})
