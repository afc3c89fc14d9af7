import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { type Connection, createConnection } from 'mysql2/promise'
import { Consumer } from '../../../src/consumer/consumer.ts'
import { memorySubscription } from '../../../src/consumer/memory/memory-subscription.ts'
import { Inbox } from '../../../src/inbox/inbox.ts'
import { type Cell, type OpenCell, type Place, type Scope, type Work, walk, walkSync } from './cell.ts'

/** Does the work of a handler, the next time that it is called. */
type HandleNext = (scope: Scope) => Generator<unknown, void, unknown>

/** What became of a message: how often its handler ran, and the error after each time. */
interface Outcome {
  readonly attempts: number
  readonly errors: readonly unknown[]
}

/** Ways in which a failed COMMIT of SQLite keeps the one connection for ever, so that nothing can be tried again. */
const KEEPS_CONNECTION = ['Kysely, startTransaction()', 'MikroORM']

/**
 * What must hold where a handler catches an error of the database, which may have ended its transaction. The place may
 * be that of other suites, too; who gives it closes it.
 */
export function caughtErrorSuite(
  name: string,
  open: OpenCell,
  sharedPlace: () => Promise<Place>,
  skip: string | false,
): void {
  describe(`${name}: an SQL error that the handler caught`, { skip }, () => {
    let place: Place
    let cell: Cell

    before(async () => {
      place = await sharedPlace()
      cell = await open(place)
    })
    after(async () => {
      await cell?.close()
    })

    const add = ({ exec }: Scope, id: string, or = '') =>
      exec(`INSERT ${or} INTO ${place.orders} VALUES ('${name}: ${id}')`)
    const effects = async (): Promise<readonly string[]> =>
      (await place.orderIds()).filter((id) => id.startsWith(`${name}: `)).map((id) => id.slice(name.length + 2))

    /** Has a message handled until it is acknowledged: the first time by `first`, then by `again`. */
    const consume = async (what: string, first: Work, again: Work): Promise<Outcome> => {
      const id = `${name}: ${what}`
      const handles = [first, again]
      const handleNext = (scope: Scope) => (handles.shift() ?? again)(scope)
      return cell.sync ? consumeSync(cell, place, id, handleNext) : consumeByConsumer(cell, place, id, handleNext)
    }

    test('nothing is acknowledged that the database has rolled back', async (t) => {
      if (cell.adapter.dialect === 'mysql') return t.skip('MySQL rolls back the statement alone; a deadlock is below')
      if (cell.adapter.dialect === 'sqlite' && KEEPS_CONNECTION.includes(name)) {
        return t.skip('the library never gives its one connection back after a COMMIT that failed')
      }
      // SQLite does so at a full disk, say, and when it is told to.
      const or = cell.adapter.dialect === 'sqlite' ? 'OR ROLLBACK' : ''
      const { attempts, errors } = await consume(
        'rolled-back',
        function* (scope) {
          yield add(scope, 'effect-of-first')
          yield* swallow(() => add(scope, 'effect-of-first', or))
        },
        function* (scope) {
          yield add(scope, 'effect-of-second')
        },
      )
      assert.equal(attempts, 2)
      assert.equal(errors.length, 1)
      if (cell.adapter.dialect === 'postgres') {
        assert.equal((errors[0] as { readonly code?: string }).code, 'TRANSACTION_ABORTED')
      }
      const ids = await effects()
      assert.deepEqual([ids.includes('effect-of-first'), ids.includes('effect-of-second')], [false, true])
    })

    test('what the database has not rolled back is handled', async () => {
      const fail: Work = () => assert.fail('it was handled the first time')
      const { attempts, errors } = await consume(
        'kept',
        function* (scope) {
          yield add(scope, 'kept-effect')
          if (cell.adapter.dialect === 'postgres') {
            yield* swallow(() =>
              scope.nest(function* (inner) {
                yield add(inner, 'kept-effect')
              }),
            )
          } else yield* swallow(() => add(scope, 'kept-effect'))
        },
        fail,
      )
      assert.deepEqual({ attempts, errors }, { attempts: 1, errors: [] })
      assert.ok((await effects()).includes('kept-effect'))
    })

    test('nothing is acknowledged that a deadlock has rolled back', async (t) => {
      if (cell.adapter.dialect !== 'mysql') return t.skip('only MySQL goes on after a deadlock')
      const other = await createConnection(place.url)
      try {
        const ours = await heavyTransaction(other, place.orders)
        const { attempts, errors } = await consume(
          'deadlock',
          function* (scope) {
            yield add(scope, 'deadlock-first')
            yield scope.exec(lockText(place.orders, 'theirs'))
            const closed = ours.lock('theirs')
            yield* swallow(() => scope.exec(lockText(place.orders, 'ours')))
            yield closed
            yield ours.end()
          },
          function* (scope) {
            yield add(scope, 'deadlock-second')
          },
        )
        assert.equal(attempts, 2)
        // Sequelize notices by itself.
        const code = name.startsWith('Sequelize') ? 'TRANSACTION_ENDED' : 'TRANSACTION_ABORTED'
        assert.equal((errors[0] as { readonly code?: string }).code, code)
        const ids = await effects()
        assert.deepEqual([ids.includes('deadlock-first'), ids.includes('deadlock-second')], [false, true])
      } finally {
        await other.end()
      }
    })
  })
}

/** Does a step that must fail, a promise or not, and keeps quiet about it. */
function* swallow(step: () => unknown): Generator<unknown, void, unknown> {
  try {
    yield step()
  } catch {
    return
  }
  assert.fail('the step did not fail')
}

/** A transaction that has changed so much that a deadlock costs the other one its life. It has the row `ours`. */
async function heavyTransaction(connection: Connection, orders: string) {
  await connection.query(`INSERT IGNORE INTO ${orders} VALUES ('ours'), ('theirs')`)
  await connection.beginTransaction()
  const rows = Array.from({ length: 200 }, (_, n) => `('heavy-${n}')`)
  await connection.query(`INSERT INTO ${orders} VALUES ${rows.join()}`)
  await connection.query(lockText(orders, 'ours'))
  return { lock: (id: string) => connection.query(lockText(orders, id)), end: () => connection.rollback() }
}

function lockText(orders: string, id: string): string {
  return `UPDATE ${orders} SET id = id WHERE id = '${id}'`
}

function consumeSync(cell: Cell, place: Place, id: string, handleNext: HandleNext): Outcome {
  const inbox = new Inbox({ store: place.store, transaction: cell.adapter })
  let attempts = 0
  const errors: unknown[] = []
  for (let done = false; !done && attempts < 3; ) {
    try {
      cell.transact(function* (scope) {
        inbox.onceSync(scope.tx, 'billing', { source: '/orders', id }, () => {
          attempts++
          walkSync(handleNext(scope))
        })
      })
      done = true
    } catch (error) {
      errors.push(error)
    }
  }
  return { attempts, errors }
}

async function consumeByConsumer(cell: Cell, place: Place, id: string, handleNext: HandleNext): Promise<Outcome> {
  let attempts = 0
  const errors: unknown[] = []
  let scope: Scope | undefined
  const subscription = memorySubscription()
  const transaction = async <T>(work: (tx: unknown) => Promise<T>): Promise<T> => {
    let result: T | undefined
    try {
      await cell.transact(function* (opened) {
        scope = opened
        result = (yield work(opened.tx)) as T
      })
    } catch (error) {
      errors.push(error)
      throw error
    }
    return result as T
  }
  const consumer = new Consumer({
    name: 'billing',
    subscription,
    inbox: new Inbox({ store: place.store, transaction: cell.adapter }),
    transaction,
    pruneInboxAfter: null,
    retry: { base: 1, jitter: 'none' },
    handlers: {
      'order.created': async () => {
        attempts++
        assert.ok(scope)
        await walk(handleNext(scope))
      },
    },
  })
  await consumer.start()
  try {
    subscription.deliver({ specversion: '1.0', id, source: '/orders', type: 'order.created' })
    await subscription.settled()
    assert.equal(subscription.deadLetters.length, 0)
    return { attempts, errors }
  } finally {
    await consumer.stop()
  }
}
