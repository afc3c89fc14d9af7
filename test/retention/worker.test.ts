import assert from 'node:assert/strict'
import { test } from 'node:test'
import { memoryStore } from '../../src/store/memory/memory.ts'
import { TestOutbox } from '../relay/outbox.ts'

test('a worker keeps what its types and numbers say, and deletes the rest in time', async () => {
  await using outbox = new TestOutbox()
  const { broadcaster } = outbox
  const types = ['audit.login', 'tick', 'order.paid']
  for (let n = 0; n < 4; n++) {
    await broadcaster.transaction(async (tx) => {
      for (const type of types) await broadcaster.publish(tx, { type, source: '/test' })
    })
  }
  const retention = {
    published: null,
    keep: { published: 2 },
    types: { 'audit.*': { published: null }, tick: { published: 0 } },
    interval: 10,
  }
  await using worker = broadcaster.worker({ retention })
  await worker.start()
  const deleted = (): number => outbox.heard('events.purged').reduce((all, { count }) => all + count, 0)
  await outbox.until(() => deleted() === 6)
  const finished = outbox.heard('retention.finished').length
  await outbox.until(() => outbox.heard('retention.finished').length > finished + 3)
  const left = await broadcaster.admin.filter({}).all()
  assert.deepEqual(left.map(({ eventType }) => eventType).toSorted(), [
    ...['audit.login', 'audit.login', 'audit.login', 'audit.login'],
    ...['order.paid', 'order.paid'],
  ])
  assert.equal(deleted(), 6)
})

test('a clean-up that is stopped ends after the statement that runs, and a worker with it', async () => {
  const store = memoryStore({ lanes: 2 })
  const { walk } = store.retention
  let asked = 0
  // There is always more.
  store.retention.walk = async (wanted) => {
    asked++
    return { ...(await walk(wanted)), next: '00000000000000000000' }
  }
  await using outbox = new TestOutbox({}, store)
  const worker = outbox.broadcaster.worker({ retention: { interval: 86_400_000 } })
  await worker.start()
  await outbox.until(() => asked > 3)
  await worker.stop()
  const before = asked
  await new Promise((resolve) => setTimeout(resolve, 20))
  assert.equal(asked, before)
})

test('what is kept of moves, for an undo, is forgotten in time where entries of the audit are not, and no time is too long', async () => {
  const FIFTY_YEARS = 50 * 365.25 * 86_400_000
  const store = memoryStore({ lanes: 2 })
  const asked: (readonly [string, number])[] = []
  for (const name of ['inbox', 'audit'] as const) {
    store[name].prune = async ({ age }) => {
      asked.push([name, age])
      return 0
    }
  }
  await using outbox = new TestOutbox({}, store)
  const run = async (retention: object): Promise<void> => {
    const worker = outbox.broadcaster.worker({ retention })
    await worker.start()
    const finished = outbox.heard('retention.finished').length
    await outbox.until(() => outbox.heard('retention.finished').length > finished)
    await worker.stop()
  }
  await run({ inbox: Number.MAX_SAFE_INTEGER, audit: null })
  // PostgreSQL knows no time so long ago.
  assert.deepEqual(asked, [
    ['inbox', FIFTY_YEARS],
    ['audit', FIFTY_YEARS],
  ])
})
