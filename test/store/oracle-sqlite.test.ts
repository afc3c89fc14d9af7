import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { sqlite } from '../../src/store/sqlite/sqlite.ts'
import type { Store } from '../../src/store/store.ts'
import { agrees } from './oracle.ts'
import { LANES } from './oracle-operations.ts'

test('oracle: SQLite agrees with memory', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'broadcaster-oracle-'))
  let files = 0
  try {
    await agrees(t, true, async () => {
      const store = sqlite({ path: join(folder, `${++files}.db`) })
      await store.schema.migrate({ lanes: LANES })
      return { store: store as Store, close: () => store.close() }
    })
  } finally {
    rmSync(folder, { recursive: true })
  }
})
