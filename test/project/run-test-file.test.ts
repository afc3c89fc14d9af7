/** Tests with a bug planted may do anything: whoever runs them must come back all the same. */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type Run, runTestFile } from '../../scripts/run-test-file.ts'

const root = dirname(dirname(import.meta.dirname))

/** Runs a file with this text; `file`: how long it may take, in ms. */
async function ran(t: TestContext, text: string, file = 120_000): Promise<Run & { readonly said: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'broadcaster-run-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const [path, saying] = [join(folder, 'some.test.ts'), join(folder, 'said')]
  writeFileSync(
    path,
    `import { spawn } from 'node:child_process'
    import { writeFileSync } from 'node:fs'
    import { test } from 'node:test'
    const say = (what: unknown) => writeFileSync(${JSON.stringify(saying)}, String(what))
    ${text}`,
  )
  const run = await runTestFile(path, root, { test: 30_000, file })
  return { ...run, said: existsSync(saying) ? readFileSync(saying, 'utf8') : '' }
}

test('a file passes, or the first test that fails is named, and none after it is run', async (t) => {
  const passed = await ran(t, `test('one', () => say('ran'))`)
  assert.deepEqual([passed.how, passed.test, passed.said], ['passed', undefined, 'ran'])
  const failed = await ran(
    t,
    `test('one', () => { throw new Error('no') }); test('two', () => new Promise(() => setInterval(say, 1e6)))`,
  )
  assert.deepEqual([failed.how, failed.test], ['failed', 'one'])
})

test('a file that loops for ever is ended at its limit', async (t) => {
  const { how, test } = await ran(t, `test('one', () => { for (;;); })`, 500)
  assert.deepEqual([how, test], ['hung', undefined])
})

test('a process that left the group of a test keeps nobody waiting', async (t) => {
  const { how, said } = await ran(
    t,
    `test('one', () => {
      const stdio = ['ignore', 'inherit', 'ignore'] as const
      say(spawn(process.execPath, ['-e', 'setTimeout(() => 0, 120_000)'], { detached: true, stdio: [...stdio] }).pid)
      throw new Error('no')
    })`,
  )
  assert.equal(how, 'failed')
  // It is still there, and holds the other end of the pipe.
  assert.match(said, /^\d+$/)
  assert.ok(process.kill(Number(said), 'SIGKILL'))
})
