import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { planted } from '../mutants/mutant.ts'
import { mutants } from '../mutants/mutants.ts'

const root = dirname(dirname(import.meta.dirname))

test('each planted bug has its place in the sources, a name of its own, and tests or the reason why none can notice', () => {
  const names = new Set<string>()
  for (const mutant of mutants) {
    const { name, file, tests, survives } = mutant
    assert.notEqual(planted(mutant, readFileSync(join(root, file), 'utf8')), undefined)
    assert.ok(!names.has(name), `two are named '${name}'`)
    names.add(name)
    assert.ok(tests.length > 0 !== (survives !== undefined), `'${name}': tests, or why none can notice`)
    for (const each of tests)
      assert.ok(existsSync(join(root, `test/${each}.test.ts`)), `'${name}': no test/${each}.test.ts`)
  }
})

test('a bug whose place is gone, or is not the only one, is an error that names the file', () => {
  const mutant = { name: 'a bug', file: 'src/some.ts', find: 'a < b', put: 'a > b', tests: [] }
  assert.equal(planted(mutant, 'if (a < b) c()'), 'if (a > b) c()')
  assert.throws(() => planted(mutant, 'if (b > a) c()'), /src\/some\.ts: the text of 'a bug' is not there any more/)
  assert.throws(() => planted(mutant, 'a < b; a < b'), /stands there 2 times/)
})
