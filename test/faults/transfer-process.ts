/** A worker or a consumer of transfers in a process of its own, to be killed. */
import { Pool } from 'pg'
import { Broadcaster } from '../../src/broadcaster.ts'
import { Consumer } from '../../src/consumer/consumer.ts'
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
const pool = new Pool({ connectionString: postgresUrl, max: 12 })
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
  const consumer = new Consumer({
    name: 'ledger',
    subscription: broker.subscription(address),
    store,
    concurrency: 8,
    handlers: {
      'transfer.made': async (event, { tx }) => {
        const { from, to, amount } = event.data as Transfer
        // Always the lower account first, so that no two transfers wait for each other.
        for (const [account, change] of from < to
          ? [
              [from, -amount],
              [to, amount],
            ]
          : [
              [to, amount],
              [from, -amount],
            ]) {
          const values = [account, change]
          await tx.query({ text: `UPDATE ${schema}.accounts SET balance = balance + $2 WHERE id = $1`, values })
        }
      },
    },
  })
  await consumer.start()
  return async () => {
    await consumer.stop()
    await Promise.all(counting)
  }
}
