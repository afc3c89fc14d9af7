/** Retention by itself, without a worker. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Retention } from '../../src/relay/retention.ts'
import { memoryStore } from '../../src/store/memory/memory.ts'

test('a clean-up that fails is reported, and the next one comes', async () => {
  const broken = new Error('the store failed')
  const store = memoryStore()
  let asked = 0
  const inbox = {
    async prune(): Promise<number> {
      if (++asked === 1) throw broken
      return 3
    },
  }
  const errors: unknown[] = []
  const finished = Promise.withResolvers<number>()
  const never = { published: null, failed: null, cancelled: null }
  const options = { ...never, keep: never, types: {}, archive: undefined, inbox: 1, audit: null, interval: 1 }
  const retention = new Retention({ ...store, inbox }, options, {
    onStarted: () => undefined,
    onPurged: () => undefined,
    onFinished: (_events, inbox) => finished.resolve(inbox),
    onError: (error) => errors.push(error),
  })
  const running = retention.run()
  // With the error it would have ended, and nothing would be finished.
  assert.equal(await Promise.race([finished.promise, running.then(() => 'ended')]), 3)
  assert.deepEqual(errors, [broken])
  retention.stop()
  await running
})
