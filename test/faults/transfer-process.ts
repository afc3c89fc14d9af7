/** A worker or a consumer of transfers in a process of its own, to be killed. */
import { Pool } from 'pg'
import { Broadcaster } from '../../src/broadcaster.ts'
import { Consumer } from '../../src/consumer/consumer.ts'
import type { HandlingOptions } from '../../src/consumer/consumer-options.ts'
import type { DeliveryEvent } from '../../src/event/delivery-event.ts'
import type { HandlerContext } from '../../src/handlers/handler.ts'
import type { PgTransaction } from '../../src/store/postgres/pg-transaction.ts'
import { postgres } from '../../src/store/postgres/postgres.ts'
import { onSignal } from '../../src/telemetry/signals.ts'
import { type Address, loadBroker } from './brokers/broker.ts'

export interface TransferTask {
  readonly role: 'worker' | 'consumer'
  readonly broker: string
  readonly address: Address
  readonly postgresUrl: string
  readonly schema: string
}

/** Money that goes from one account to another. */
export interface Transfer {
  readonly from: number
  readonly to: number
  readonly amount: number
}

const { role, broker: name, address, postgresUrl, schema } = JSON.parse(process.argv[2] ?? '{}') as TransferTask
// PostgreSQL is not killed here, so nobody need wait for its disk.
const pool = new Pool({ connectionString: postgresUrl, max: 12, options: '-c synchronous_commit=off' })
// The parent kills processes whose connections the server then ends.
pool.on('error', () => undefined)
const store = postgres({ pool, schema })
const broker = await loadBroker(name)
const end = role === 'worker' ? await relay() : await consume()
process.send?.('started')
process.once('message', async () => {
  await end()
  await pool.end()
  process.disconnect?.()
})

async function relay(): Promise<() => Promise<void>> {
  const broadcaster = new Broadcaster({ store, backends: { default: broker.backend(address) } })
  await broadcaster.worker({ lease: 3_000, batchSize: 100, concurrency: 2, retention: false }).start()
  return () => broadcaster.close()
}

async function consume(): Promise<() => Promise<void>> {
  const counting = new Set<Promise<unknown>>()
  onSignal('delivery.duplicate', () => {
    const count = pool.query(`UPDATE ${schema}.counters SET duplicates = duplicates + 1`)
    counting.add(count)
    void count.finally(() => counting.delete(count))
  })
  const handling = {
    name: 'ledger',
    store,
    handlers: {
      'transfer.made': async ({ data }: DeliveryEvent, { tx }: HandlerContext<PgTransaction>) => {
        const { from, to, amount } = data as Transfer
        const changes = [
          { account: from, change: -amount },
          { account: to, change: amount },
        ]
        // Always the lower account first, so that no two transfers wait for each other.
        for (const { account, change } of changes.toSorted((one, other) => one.account - other.account)) {
          const text = `UPDATE ${schema}.accounts SET balance = balance + $2 WHERE id = $1`
          await tx.query({ text, values: [account, change] })
        }
      },
    },
  }
  const end = broker.receive ? await broker.receive(address, handling) : await subscribe(handling)
  return async () => {
    await end()
    await Promise.all(counting)
  }
}

async function subscribe(handling: HandlingOptions<PgTransaction>): Promise<() => Promise<void>> {
  const consumer = new Consumer({ ...handling, subscription: broker.subscription(address), concurrency: 8 })
  await consumer.start()
  return () => consumer.stop()
}
