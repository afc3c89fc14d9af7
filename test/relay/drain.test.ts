import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { delivered } from '../../src/backend/backend.ts'
import { Drain, type DrainParts } from '../../src/relay/drain.ts'
import { memoryStore } from '../../src/store/memory/memory.ts'
import { dataOf, TestOutbox } from './outbox.ts'

const gate = () => Promise.withResolvers<void>()

/** An outbox whose first send waits for `held`, each event in a send of its own. */
async function sending(keys: readonly string[]) {
  const store = memoryStore({ lanes: 1 })
  const outbox = new TestOutbox({}, store)
  const [held, started] = [gate(), gate()]
  outbox.backend.behaviour = async () => {
    started.resolve()
    await held.promise
    return delivered
  }
  await outbox.publish(keys)
  return { store, outbox, held, started: started.promise }
}

test('close waits for a drain: what is in flight is recorded, nothing more is sent, the lanes are given back', async () => {
  const { store, outbox, held, started } = await sending(['a', 'b', 'c'])
  let closed = false
  outbox.backend.close = async () => void (closed = true)
  const draining = outbox.broadcaster.processPendingEvents({ concurrency: 1, maxInHand: 100, batchSize: 1 })
  await started
  const closing = outbox.broadcaster.close()
  await new Promise(setImmediate)
  assert.equal(closed, false)
  held.resolve()
  assert.equal(await draining, 1)
  await closing
  assert.equal(closed, true)
  assert.deepEqual(dataOf(outbox.backend.received), [1])
  assert.ok((await store.coordination.survey(['main'])).lanes.every((lane) => lane.owner === null))
  assert.equal(outbox.heard('worker.error').length, 0)
})

test('a stopped drain ends before its budget is spent, and a new one begins where it ended', async () => {
  const { outbox, held, started } = await sending(['a', 'b', 'c'])
  await using _ = outbox
  const worker = outbox.broadcaster.worker({ batchSize: 1, concurrency: 1 })
  const draining = worker.drain(100)
  await started
  const stopping = worker.stop()
  held.resolve()
  assert.equal(await draining, 1)
  await stopping
  assert.equal(await worker.drain(100), 2)
  assert.deepEqual(dataOf(outbox.backend.received), [1, 2, 3])
})

test('stop ends a run with maxIterations, in a pass and between two', async () => {
  const { outbox, held, started } = await sending(['a', 'b', 'c'])
  await using _ = outbox
  const options = { batchSize: 1, concurrency: 1, maxIterations: 1_000, pollInterval: 86_400_000 }
  const inPass = outbox.broadcaster.worker(options)
  const running = inPass.run()
  await started
  const stopping = inPass.stop()
  held.resolve()
  await Promise.all([running, stopping])
  const between = outbox.broadcaster.worker(options)
  const second = between.run()
  await outbox.until(() => outbox.heard('event.published').length === 3)
  await between.stop()
  await second
  assert.deepEqual(dataOf(outbox.backend.received), [1, 2, 3])
})

test('a drain ends while more is due behind locked rows of a lane than an unpark looks at, and delivers other lanes', async () => {
  const store = memoryStore({ lanes: 8 })
  const outbox = new TestOutbox({}, store)
  await using _ = outbox
  const [locked, free] = await outbox.publish(['locked', 'free'])
  const lane = locked?.lane ?? assert.fail()
  assert.notEqual(free?.lane, lane)
  const { unpark } = store.relay
  let looks = 0
  store.relay.unpark = async (names, lanes, limit) => {
    looks++
    const others = lanes.filter((each) => each !== lane)
    const report = await unpark(names, others, limit)
    return others.length === lanes.length ? report : { ...report, more: [lane], nextDueIn: 1 }
  }
  const worker = outbox.broadcaster.worker()
  const draining = worker.drain()
  const late = delay(5_000, 'not ended', { ref: false })
  const end = await Promise.race([draining, late])
  await worker.stop()
  assert.equal(end, 1)
  assert.deepEqual(dataOf(outbox.backend.received), [2])
  // The limit grows to its greatest before the lane is left to the next drain.
  assert.ok(looks >= 4, `${looks}`)
})

test('a drain asked for after close says that it is closed', async () => {
  const outbox = new TestOutbox()
  await outbox[Symbol.asyncDispose]()
  await assert.rejects(outbox.broadcaster.processPendingEvents(), { code: 'CLOSED' })
})

/** A drain of nothing, on parts that say what is done with them. */
function drain(check: () => Promise<unknown>, run: () => Promise<void>) {
  const did: string[] = []
  const say = (what: string) => async (): Promise<void> => void did.push(what)
  const keeper = { start: say('start'), run: say('run'), stop: say('stop'), leave: say('leave') }
  const cycle = { run, stop: () => did.push('stop cycle'), published: 3 }
  const nothing = async (): Promise<void> => undefined
  const beside = { flow: { write: nothing, stop: () => undefined }, outages: { idle: nothing } }
  const parts = { keeper, cycles: [cycle], waker: { close: say('close') }, check, ...beside } as unknown as DrainParts
  return { did, drain: new Drain(parts) }
}

test('a drain that failed says so, after it has given its lanes back', async () => {
  const failing = drain(
    async () => undefined,
    async () => {
      throw new Error('no fetch')
    },
  )
  await assert.rejects(failing.drain.published, /no fetch/)
  await failing.drain.ended()
  assert.equal(failing.did.at(-1), 'leave')
})

test('a drain that is stopped before it began takes no lane', async () => {
  const checking = gate()
  const { did, drain: stopped } = drain(
    () => checking.promise,
    async () => undefined,
  )
  stopped.stop()
  checking.resolve()
  assert.equal(await stopped.published, 0)
  assert.deepEqual(did, ['stop cycle'])
})
