import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { root } from '../project/source-files.ts'

/** The blocks of the README that begin with the name of a file. */
function filesOf(readme: string): ReadonlyMap<string, string> {
  const blocks = readme.matchAll(/^```ts[^\n]*\n(\/\/ (\S+\.ts)\n[\s\S]*?)^```$/gm)
  return new Map(Array.from(blocks, ([, code = '', name = '']) => [name, code]))
}

test('the first minute of the README, in an empty folder', (t) => {
  const files = filesOf(readFileSync(join(root, 'README.md'), 'utf8'))
  assert.deepEqual([...files.keys()], ['broadcaster.config.ts', 'shop.ts'])
  const folder = mkdtempSync(join(tmpdir(), 'broadcaster-readme-'))
  t.after(() => rmSync(folder, { recursive: true }))
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  mkdirSync(join(folder, 'node_modules'))
  symlinkSync(root, join(folder, 'node_modules/ts-broadcaster'))
  for (const [name, code] of files) writeFileSync(join(folder, name), code)

  const run = (...args: readonly string[]): string =>
    execFileSync(
      process.execPath,
      ['--conditions=ts-broadcaster-source', '--disable-warning=ExperimentalWarning', ...args],
      { cwd: folder, encoding: 'utf8', timeout: 240_000 },
    )
  const broadcaster = (...args: readonly string[]): string => run(join(root, 'src/cli/main.ts'), ...args)

  assert.match(broadcaster('migrate'), /the latest, with 64 lanes/)
  assert.equal(run('shop.ts'), '')
  // One pass instead of for ever, so that the test ends.
  assert.match(broadcaster('worker', '--max-iterations', '1'), /delivered order\.placed \{ id: 'a', total: 12 \}/)
  assert.match(broadcaster('list', '--status', 'published'), /order\.placed/)
})
