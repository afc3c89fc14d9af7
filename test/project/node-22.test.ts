import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sourceFiles } from './source-files.ts'

// The oldest Node we promise is 22.18; the tests run on 24. What only 24 can do and no type says is looked for here.

test('no source declares with `using`: Node 22 cannot parse it where sources run unbuilt', () => {
  const found = sourceFiles().filter(({ code }) => /^\s*(await\s+)?using\s+\w+\s*=/m.test(code))
  assert.deepEqual(
    found.map(({ path }) => path),
    [],
  )
})

test('statements for SQLite use plain question marks: Node 22 cannot bind numbered ones', () => {
  const files = sourceFiles().filter(({ path }) => path.startsWith('src/store/sqlite/'))
  assert.ok(files.length > 20)
  assert.deepEqual(
    files.filter(({ text }) => /\?\d/.test(text)).map(({ path }) => path),
    [],
  )
})
