import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Cleaned, Retention } from '../../src/relay/retention.ts'
import { resolveWorkerOptions } from '../../src/relay/worker-options.ts'
import type { SettledEvent } from '../../src/store/retention-store.ts'

/** How many events each clean-up finds, and how many clean-ups began within `during` ms. */
async function cleanUpsWith(expired: readonly number[], during: number): Promise<number> {
  const pages = Array.from(
    { length: 1_000 },
    (_, n): SettledEvent => ({
      ...{ id: `${n}`, eventType: 'a', status: 'published', age: 9e9, place: `${n}`, counts: true, version: '' },
    }),
  )
  let [begun, left] = [0, 0]
  const store: Cleaned = {
    retention: {
      async walk() {
        const events = pages.slice(0, Math.min(left, pages.length))
        left -= events.length
        return { events, next: left > 0 ? 'on' : null }
      },
      remove: async (events) => events.length,
      census: async () => ({ groups: [], last: null }),
    },
    admin: { list: async () => [] },
    inbox: { prune: async () => 0 },
    audit: { prune: async () => 0 },
  }
  const { retention: options } = resolveWorkerOptions({ retention: { interval: 600_000 } })
  assert.ok(options)
  const ignore = (): void => {}
  const retention = new Retention(store, options, {
    onStarted: () => {
      left = expired[begun++] ?? 0
    },
    ...{ onPurged: ignore, onFinished: ignore },
    onError: (error) => assert.fail(String(error)),
  })
  const running = retention.run()
  await new Promise((resolve) => setTimeout(resolve, during))
  retention.stop()
  await running
  return begun
}

test('a clean-up that had many to delete is followed by another soon, and that by none where it had few', async () => {
  assert.equal(await cleanUpsWith([12_000, 9_000], 3_500), 2)
})

test('one that had few waits for its interval', async () => {
  assert.equal(await cleanUpsWith([9_000, 12_000], 2_000), 1)
})
