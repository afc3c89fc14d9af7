import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { sqlite } from '../../src/store/sqlite/sqlite.ts'
import type { Store } from '../../src/store/store.ts'
import { runConformance } from '../../src/testing/conformance.ts'
import { storeConformance } from '../../src/testing/store-conformance.ts'
import { setBack } from './set-back.ts'

const folder = mkdtempSync(join(tmpdir(), 'broadcaster-sqlite-'))
let files = 0
const newFile = (): string => join(folder, `${++files}.db`)

after(() => rmSync(folder, { recursive: true }))

runConformance(
  { test, skip: (name, reason) => test(name, { skip: reason }, () => {}) },
  storeConformance,
  async () => {
    const path = newFile()
    const store: Store = sqlite({ path })
    await store.schema.migrate()
    return {
      store,
      another: async () => sqlite({ path }) as Store,
      unmigrated: async () => sqlite({ path: newFile() }) as Store,
      setBack: (duration) => setBack(store, 'sqlite', duration),
      close: () => store.close(),
    }
  },
  { concurrentWriters: 'SQLite has one writer at a time' },
)
