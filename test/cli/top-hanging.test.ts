import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { runCli } from '../../src/cli/run.ts'
import type { FullScreen, Line } from '../../src/cli/terminal.ts'
import { sqlite } from '../../src/store/sqlite/sqlite.ts'
import { root } from '../project/source-files.ts'
import { FakeTerminal } from '../support/fake-terminal.ts'

const folder = mkdtempSync(join(tmpdir(), 'broadcaster-top-'))
after(() => rmSync(folder, { recursive: true }))
const path = join(folder, 'o.db')

/** A terminal with a window of 80x24. */
class WatchedTerminal extends FakeTerminal {
  readonly frames: (readonly Line[])[] = []
  readonly ending = new AbortController()
  onDraw: (frames: number) => void = () => undefined
  override fullScreen(): never {
    const window: FullScreen = {
      ...{ columns: 80, rows: 24, closed: this.ending.signal },
      draw: (lines) => this.onDraw(this.frames.push(lines)),
      onResize: () => undefined,
      close: () => undefined,
    }
    return window as never
  }
}

test('top says that the database hangs, and ends by a key all the same', { timeout: 30_000 }, async () => {
  const store = sqlite({ path })
  await store.schema.migrate()
  await store.close()
  const text = `import { sqlite } from '${root}/src/store/sqlite/sqlite.ts'
const store = sqlite({ path: '${path}' })
const { look } = store.admin
let looks = 0
store.admin.look = () => (++looks > 1 ? new Promise(() => {}) : look())
export default { name: 'shop', store }
`
  writeFileSync(join(folder, 'hanging.mjs'), text)
  const terminal = new WatchedTerminal(folder, { env: { BROADCASTER_CONFIG: 'hanging.mjs' } })
  terminal.onDraw = (frames) => {
    if (frames === 2) terminal.ending.abort()
  }
  assert.equal(await runCli(['top', '--interval', '20ms'], terminal, ''), 0)
  assert.equal(terminal.frames.length, 2)
  assert.match(terminal.frames[1]?.[1]?.text ?? '', /^These numbers are \d.* old: the database has not answered yet$/)
})
