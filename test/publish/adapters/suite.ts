import assert from 'node:assert/strict'
import { after, afterEach, before, describe, test } from 'node:test'
import { type MemoryBackend, memoryBackend } from '../../../src/backend/memory/memory-backend.ts'
import { Broadcaster } from '../../../src/broadcaster.ts'
import { COLUMN_NAMES } from '../../../src/record/columns.ts'
import { OutboxEvent } from '../../../src/record/outbox-event.ts'
import type { Cell, OpenCell, Place, Scope, Work } from './cell.ts'

class Stopped extends Error {}

/** What must hold for each adapter on each of its databases. */
export function adapterSuite(
  name: string,
  open: OpenCell,
  openPlace: () => Promise<Place>,
  skip: string | false,
): void {
  describe(name, { skip }, () => {
    let place: Place
    let cell: Cell
    let backend: MemoryBackend
    let broadcaster: Broadcaster<unknown, unknown>

    before(async () => {
      place = await openPlace()
      cell = await open(place)
      backend = memoryBackend()
      broadcaster = new Broadcaster({
        store: place.store,
        transaction: cell.adapter,
        backends: { default: backend },
      })
    })
    after(async () => {
      await cell?.close()
      await place?.close()
    })
    afterEach(async () => {
      await broadcaster.processPendingEvents()
      backend.clear()
    })

    /** In a synchronous library the steps of the work are no promises. */
    const publish = ({ tx }: Scope, event: object) => {
      const input = { type: 'order.created', source: '/orders', ...event }
      return cell.sync ? broadcaster.publishSync(tx, input) : broadcaster.publish(tx, input)
    }
    const addOrder = ({ exec }: Scope, id: string) => exec(`INSERT INTO ${place.orders} VALUES ('${id}')`)
    const transact = async (work: Work): Promise<void> => void (await cell.transact(work))
    /** The data of what a relay delivers now. */
    const delivered = async (): Promise<readonly unknown[]> => {
      await broadcaster.processPendingEvents()
      return backend.events.map(({ data }) => data)
    }
    const stored = (id: string) =>
      place.store.admin.list({
        where: [{ column: 'id', op: 'eq', value: id }],
        order: [],
        limit: null,
        offset: 0,
        columns: COLUMN_NAMES,
      })

    test('a commit delivers', async () => {
      let event: OutboxEvent | undefined
      await transact(function* (scope) {
        yield addOrder(scope, 'commit')
        event = (yield publish(scope, { data: 'commit', partitionKey: 'k' })) as OutboxEvent
      })
      assert.ok(event)
      assert.deepEqual(event.duplicate, false)
      const [row] = await stored(event.id)
      for (const column of ['seq', 'lane', 'createdAt', 'updatedAt', 'scheduledAt', 'availableAt'] as const) {
        assert.deepEqual(event[column], row?.[column], `${column} is known before the commit`)
      }
      assert.deepEqual(await delivered(), ['commit'])
      assert.ok((await place.orderIds()).includes('commit'))
    })

    test('a rollback does not', async () => {
      let published = 0
      await assert.rejects(
        transact(function* (scope) {
          yield addOrder(scope, 'rollback')
          yield publish(scope, { data: 'rollback' })
          published++
          throw new Stopped()
        }),
        Stopped,
      )
      assert.equal(published, 1)
      assert.deepEqual(await delivered(), [])
      assert.ok(!(await place.orderIds()).includes('rollback'))
    })

    test('a nested rollback drops only its own', async () => {
      let refused: unknown
      await transact(function* (scope) {
        yield publish(scope, { data: 'before' })
        yield scope.nest(function* (inner) {
          yield publish(inner, { data: 'kept' })
          yield addOrder(inner, 'kept')
        })
        try {
          yield scope.nest(function* (inner) {
            yield publish(inner, { data: 'dropped' })
            yield addOrder(inner, 'dropped')
            throw new Stopped()
          })
        } catch (error) {
          refused = error
        }
        yield publish(scope, { data: 'after' })
      })
      assert.ok(refused instanceof Stopped)
      assert.deepEqual(new Set(await delivered()), new Set(['before', 'kept', 'after']))
      const ids = await place.orderIds()
      assert.ok(ids.includes('kept') && !ids.includes('dropped'))
    })

    test('an error in a nested transaction leaves the outer one usable', async () => {
      let refused: unknown
      await transact(function* (scope) {
        try {
          yield scope.nest(function* (inner) {
            yield publish(inner, { data: 'dropped' })
            yield inner.exec('INSERT INTO no_such_table VALUES (1)')
          })
        } catch (error) {
          refused = error
        }
        yield publish(scope, { data: 'after' })
      })
      assert.ok(refused instanceof Error)
      assert.deepEqual(await delivered(), ['after'])
    })

    test('an error in the middle leaves nothing', async () => {
      let wrong: unknown
      let afterwards: unknown
      await assert.rejects(
        transact(function* (scope) {
          yield publish(scope, { data: 'before' })
          try {
            yield scope.exec('INSERT INTO no_such_table VALUES (1)')
          } catch (error) {
            wrong = error
          }
          try {
            yield publish(scope, { data: 'after' })
          } catch (error) {
            afterwards = error
          }
          throw wrong
        }),
      )
      assert.ok(wrong instanceof Error)
      // PostgreSQL refuses everything after an error; SQLite and MySQL go on.
      const code = (afterwards as { readonly code?: string } | undefined)?.code
      assert.equal(code, cell.adapter.dialect === 'postgres' ? 'TRANSACTION_ABORTED' : undefined)
      assert.deepEqual(await delivered(), [])
    })

    test('what is no transaction is refused, and nothing is written', async (t) => {
      const wrongs = { ...cell.refused, nothing: undefined, null: null, 'an object': {}, 'a text': 'tx' }
      for (const [what, tx] of Object.entries(wrongs)) {
        await t.test(what, () =>
          assert.rejects(broadcaster.publish(tx, { type: 't', source: '/s' }), {
            code: 'NOT_A_TRANSACTION',
            field: 'tx',
          }),
        )
      }
      assert.ok(Object.keys(cell.refused).length > 0)
      assert.deepEqual(await delivered(), [])
    })

    test('a transaction that has ended is refused, and nothing is written', async () => {
      const ended: unknown[] = []
      await transact(function* (scope) {
        yield publish(scope, { data: 'open' })
        ended.push(scope.tx)
      })
      await assert.rejects(
        transact(function* (scope) {
          yield publish(scope, { data: 'rolled back' })
          ended.push(scope.tx)
          throw new Stopped()
        }),
        Stopped,
      )
      for (const tx of ended) {
        await assert.rejects(broadcaster.publish(tx, { type: 't', source: '/s', data: 'late' }), {
          code: 'TRANSACTION_ENDED',
          field: 'tx',
        })
      }
      assert.deepEqual(await delivered(), ['open'])
    })

    test('a duplicate comes back as it is stored', async () => {
      const event = {
        id: 'own ? $1 :id',
        type: 'order.created',
        source: '/orders',
        subject: 'ÄÖÜ ? ?? $1 $$ :name %s',
        data: new Uint8Array([0, 255, 63, 36, 58]),
        partitionKey: 'k',
        extensions: { tenant: 'a' },
      }
      const found: OutboxEvent[] = []
      for (const delay of [3_600_000, 0]) {
        await transact(function* (scope) {
          const { tx } = scope
          const options = { delay }
          found.push(
            (yield cell.sync
              ? broadcaster.publishSync(tx, event, options)
              : broadcaster.publish(tx, event, options)) as OutboxEvent,
          )
        })
      }
      const [first, second] = found
      assert.ok(first && second)
      assert.deepEqual([first.duplicate, second.duplicate], [false, true])
      const [row] = await stored(first.id)
      assert.ok(row)
      const expected = new OutboxEvent(row)
      for (const name of [...COLUMN_NAMES, 'dataJson', 'time'] as const) {
        assert.deepEqual(second[name], expected[name], `${name} of the duplicate`)
      }
      await broadcaster.events.cancel(first.id)
    })

    test('texts arrive as they are', async () => {
      const data = { text: `? ?? $1 $$ :name ::text %s \\ ' " \` é 😀 \u0000`, '?': [null, 1.5, true] }
      const json = JSON.stringify(data)
      await transact(function* (scope) {
        yield publish(scope, { data, subject: "it's $1 ? :a", partitionKey: ':key ?' })
        yield publish(scope, { data: null })
      })
      await broadcaster.processPendingEvents()
      const event = backend.events.find(({ subject }) => subject !== '')
      assert.equal(JSON.stringify(event?.data), json)
      assert.deepEqual([event?.subject, event?.partitionKey], ["it's $1 ? :a", ':key ?'])
      assert.equal(backend.events.length, 2)
    })

    test('two publishes at once on one transaction', async (t) => {
      if (cell.sync) return t.skip('a synchronous library does one thing at a time')
      await transact(function* (scope) {
        yield Promise.all(['one', 'two', 'three'].map((data) => publish(scope, { data })))
      })
      assert.deepEqual(new Set(await delivered()), new Set(['one', 'two', 'three']))
    })

    test('a publish beside a statement of the application on one transaction', async (t) => {
      if (cell.sync) return t.skip('a synchronous library does one thing at a time')
      await transact(function* (scope) {
        yield Promise.all([
          publish(scope, { data: 'beside' }),
          addOrder(scope, 'beside'),
          publish(scope, { data: 'it' }),
        ])
      })
      assert.deepEqual(new Set(await delivered()), new Set(['beside', 'it']))
      assert.ok((await place.orderIds()).includes('beside'))
    })

    test('a transaction that MySQL has ended by itself is refused', async (t) => {
      if (cell.adapter.dialect !== 'mysql') return t.skip('only MySQL commits when the schema changes')
      let late: unknown
      await transact(function* (scope) {
        yield publish(scope, { data: 'before' })
        // Commits.
        yield scope.exec('CREATE TABLE IF NOT EXISTS made_in_between (id int)')
        try {
          yield publish(scope, { data: 'late' })
        } catch (error) {
          late = error
        }
      })
      assert.equal((late as { readonly code?: string }).code, 'TRANSACTION_ENDED')
      assert.deepEqual(await delivered(), ['before'])
    })

    test('many events are one statement, in their order', async () => {
      const events = Array.from({ length: 120 }, (_, n) => ({ type: 't', source: '/s', data: n, partitionKey: 'k' }))
      await transact(function* ({ tx }) {
        yield cell.sync ? broadcaster.publishManySync(tx, events) : broadcaster.publishMany(tx, events)
      })
      await broadcaster.processPendingEvents()
      assert.deepEqual(
        backend.events.map(({ data }) => data),
        events.map(({ data }) => data),
      )
    })

    test('the inbox handles an event once, on the same transaction', async () => {
      const ran: string[] = []
      const handle = ({ tx }: Scope, id: string, work: () => unknown) =>
        cell.sync
          ? broadcaster.inbox.onceSync(tx, 'billing', { source: '/s', id }, work)
          : broadcaster.inbox.once(tx, 'billing', { source: '/s', id }, work)
      const outcomes: unknown[] = []
      for (const attempt of ['rolled back', 'first', 'second']) {
        await transact(function* (scope) {
          outcomes.push(yield handle(scope, 'a', () => ran.push(attempt)))
          if (attempt === 'rolled back') throw new Stopped()
        }).catch((error: unknown) => assert.ok(error instanceof Stopped))
      }
      assert.deepEqual(outcomes, [true, true, false])
      assert.deepEqual(ran, ['rolled back', 'first'])
      // A handler that throws is as if it had not been there, even for who commits all the same.
      for (const attempt of [1, 2]) {
        await transact(function* (scope) {
          try {
            yield handle(scope, 'b', () => {
              ran.push(`b ${attempt}`)
              throw new Stopped()
            })
          } catch (error) {
            assert.ok(error instanceof Stopped)
          }
        })
      }
      assert.deepEqual(ran.slice(2), ['b 1', 'b 2'])
    })

    test('publishSync is for synchronous libraries', async () => {
      let thrown: unknown
      await transact(function* ({ tx }) {
        try {
          broadcaster.publishSync(tx, { type: 't', source: '/s', data: 'sync' })
        } catch (error) {
          thrown = error
        }
        yield undefined
      })
      if (cell.sync || cell.adapter.name === 'node:sqlite') {
        assert.equal(thrown, undefined)
        assert.deepEqual(await delivered(), ['sync'])
      } else {
        assert.equal((thrown as { readonly code?: string }).code, 'INVALID_OPTION')
        assert.deepEqual(await delivered(), [])
      }
    })
  })
}
