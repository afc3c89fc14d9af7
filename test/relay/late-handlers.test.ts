import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { handlers } from '../../src/backend/handlers/handlers.ts'
import { HandlerRegistry } from '../../src/handlers/handler-registry.ts'
import { STORES } from '../support/stores.ts'
import { TestOutbox } from './outbox.ts'

interface Transaction {
  query?(text: string): Promise<unknown>
  exec?(text: string): unknown
}

/** On whichever library's transaction. */
async function run(tx: Transaction, text: string): Promise<unknown> {
  return tx.query ? tx.query(text) : tx.exec?.(text)
}

for (const { name, skip, open } of STORES.filter((kind) => kind.name !== 'memory')) {
  describe(`a transactional handler that outlives its timeout: ${name}`, { skip }, () => {
    test('writes nothing after it, and harms no other transaction', async () => {
      const { store, close } = await open()
      const late = Promise.withResolvers<unknown>()
      let calls = 0
      const registry = new HandlerRegistry()
      registry.on('test.happened', async (_event, context) => {
        const tx = context.tx as Transaction
        await run(tx, 'SELECT 1')
        if (++calls > 1) return
        // It does not react to its signal.
        await delay(400)
        late.resolve(await run(tx, `UPDATE nowhere SET nothing = 1`).catch((error: unknown) => error))
      })
      const handled = handlers(registry, { timeout: 100, transactional: true })
      try {
        await using outbox = new TestOutbox({ handled }, store)
        await outbox.broadcaster.worker({ backends: ['handled'] }).start()
        await outbox.publish(['a'], { backend: 'handled' })
        const said = await late.promise
        assert.ok(said instanceof Error && 'code' in said && said.code === 'TRANSACTION_ENDED', String(said))
        await outbox.until(() => outbox.heard('event.published').length === 1)
        await store.transaction((tx) => run(tx as Transaction, 'SELECT 1'))
      } finally {
        await close()
      }
    })
  })
}
