import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { memoryStore } from '../../src/store/memory/memory.ts'
import { sqlite } from '../../src/store/sqlite/sqlite.ts'
import type { Store } from '../../src/store/store.ts'
import { LANES, operation, PRELUDE } from './oracle-operations.ts'
import { Subject } from './oracle-subject.ts'

/** An empty outbox with LANES lanes. */
interface Empty {
  readonly store: Store
  close(): Promise<void>
}

/** Random lists of operations, about this many in all; raise it to look harder. */
const BUDGET = Number(process.env['ORACLE_OPS'] ?? 12_000)
const LENGTH = 40

/**
 * Runs the same random operations on the memory store, which is simple enough to be right by looking at it, and on
 * another; whatever comes out must be equal after each step, and everything stored at the end.
 */
async function agrees(share: number, empty: () => Promise<Empty>): Promise<void> {
  await fc.assert(
    fc.asyncProperty(fc.array(operation, { minLength: 1, maxLength: LENGTH * 2 }), async (operations) => {
      const oracle = new Subject(memoryStore({ lanes: LANES }))
      const { store, close } = await empty()
      try {
        const subject = new Subject(store)
        for (const [n, each] of [...PRELUDE, ...operations].entries()) {
          assert.deepEqual(await subject.run(each), await oracle.run(each), `step ${n}: ${JSON.stringify(each)}`)
        }
        assert.deepEqual(await subject.dump(), await oracle.dump(), 'what is stored at the end')
      } finally {
        await close()
      }
    }),
    { numRuns: Math.max(1, Math.round((BUDGET * share) / LENGTH)), seed: 20_260_101, endOnFailure: false },
  )
}

test('oracle: SQLite agrees with memory', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'broadcaster-oracle-'))
  let files = 0
  try {
    await agrees(1, async () => {
      const store = sqlite({ path: join(folder, `${++files}.db`) })
      await store.schema.migrate({ lanes: LANES })
      return { store: store as Store, close: () => store.close() }
    })
  } finally {
    rmSync(folder, { recursive: true })
  }
})
