import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import fc from 'fast-check'
import { memoryStore } from '../../src/store/memory/memory.ts'
import type { Store } from '../../src/store/store.ts'
import { LANES, operation, PRELUDE } from './oracle-operations.ts'
import { Subject } from './oracle-subject.ts'

/** An empty outbox with LANES lanes. */
export interface Empty {
  readonly store: Store
  close(): Promise<void>
}

/** Random operations, at least this many; raise it to look harder. */
const OPERATIONS = Number(process.env['ORACLE_OPS'] ?? 10_000)
/** Another one looks elsewhere. */
const SEED = Number(process.env['ORACLE_SEED'] ?? 20_260_101)
const LENGTH = 40

/**
 * Runs the same random operations on the memory store, which is simple enough to be right by looking at it, and on
 * another; whatever comes out must be equal after each step, and everything stored at the end. `shrink` looks for the
 * shortest list that fails, which takes a few hundred runs.
 */
export async function agrees(t: TestContext, shrink: boolean, empty: () => Promise<Empty>): Promise<void> {
  let done = 0
  const lists = Math.ceil((OPERATIONS * 1.1) / LENGTH)
  await fc.assert(
    fc.asyncProperty(
      fc.array(operation, { minLength: LENGTH / 2, maxLength: LENGTH * 1.5, size: 'max' }),
      async (operations) => {
        const oracle = new Subject(memoryStore({ lanes: LANES }))
        const { store, close } = await empty()
        try {
          const subject = new Subject(store)
          for (const [n, each] of [...PRELUDE, ...operations].entries()) {
            assert.deepEqual(await subject.run(each), await oracle.run(each), `step ${n}: ${JSON.stringify(each)}`)
          }
          assert.deepEqual(await subject.dump(), await oracle.dump(), 'what is stored at the end')
          done += operations.length
        } finally {
          await close()
        }
      },
    ),
    { numRuns: lists, seed: SEED, endOnFailure: !shrink },
  )
  t.diagnostic(`${done} operations in ${lists} lists, seed ${SEED}`)
  assert.ok(done >= OPERATIONS, `only ${done} operations`)
}
