import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { memoryBackend } from '../../../src/backend/memory/memory-backend.ts'
import { Broadcaster } from '../../../src/broadcaster.ts'
import { BroadcasterError } from '../../../src/errors.ts'
import { isRetryable } from '../../../src/store/database-error.ts'
import type { Cell, OpenCell, Place } from './cell.ts'

/**
 * They ask the server whether the transaction is open before they write, and a ROLLBACK that comes in between lets that write commit
 * by itself: the limit that docs/guarantees.md names.
 */
const MAY_STAND_ALONE: readonly string[] = ['mysql2', 'postgres.js', 'drizzle', 'kysely', 'typeorm']

/** What must hold of a `publish` whose `await` was forgotten: the transaction ends while it is under way. */
export function latePublishSuite(
  name: string,
  open: OpenCell,
  sharedPlace: () => Promise<Place>,
  skip: string | false,
): void {
  describe(`${name}: a publish that nobody awaits`, { skip }, () => {
    let place: Place
    let cell: Cell

    before(async () => {
      place = await sharedPlace()
      cell = await open(place)
    })
    after(async () => {
      await cell?.close()
    })

    for (const end of ['commit', 'rollback'] as const) {
      for (const own of [false, true]) {
        const what = `${end}, ${own ? 'an id of its own' : 'no id'}`
        test(`is in the transaction, or too late for it: ${what}`, async (t) => {
          if (cell.sync) return t.skip('nothing is late in a synchronous library')
          const backend = memoryBackend()
          const broadcaster = new Broadcaster({
            store: place.store,
            transaction: cell.adapter,
            backends: { default: backend },
          })
          await broadcaster.processPendingEvents()
          backend.clear()
          const source = `/${encodeURIComponent(name)}/${end}`
          const event = { type: 'order.created', source, data: what, ...(own && { id: 'own' }) }
          const orders = `INSERT INTO ${place.orders} VALUES ('${name}: ${what}')`
          let late: Promise<unknown> | undefined
          const work = async (): Promise<void> =>
            void (await cell.transact(function* ({ tx, exec }) {
              yield exec(orders)
              late = broadcaster.publish(tx, event).catch((error: unknown) => error)
              if (end === 'rollback') throw new Error('rolled back')
            }))
          // A library may find that something was still under way, and say so.
          await work().catch(() => undefined)
          const said = await late
          await broadcaster.processPendingEvents()
          const delivered = backend.events.map(({ data }) => data)
          if (said instanceof Error) {
            assert.ok(said instanceof BroadcasterError, String(said))
            assert.equal(said.code, 'TRANSACTION_ENDED', said.message)
            assert.equal(isRetryable(said), false)
          }
          if (MAY_STAND_ALONE.includes(cell.adapter.name) && cell.adapter.dialect !== 'sqlite') return
          assert.deepEqual(delivered, end === 'commit' && !(said instanceof Error) ? [what] : [])
        })
      }
    }
  })
}
