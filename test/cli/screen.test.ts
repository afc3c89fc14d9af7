import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { runCli } from '../../src/cli/run.ts'
import { fitTable } from '../../src/cli/table.ts'
import { printable } from '../../src/printable.ts'
import { root } from '../project/source-files.ts'
import { FakeTerminal } from '../support/fake-terminal.ts'

/** What came from elsewhere reaches the terminal as text, and lines fit it. */

const folder = mkdtempSync(join(tmpdir(), 'broadcaster-screen-'))
after(() => rmSync(folder, { recursive: true }))

/** Clears the screen, sets the title of the window, begins a line, writes from right to left, and CSI as one character. */
const HOSTILE = '\u001b[2J\u001b]0;mine\u0007\r\nFAILED: all is lost\u202e\u009b31m\u007f'

// What the handler throws holds it too, as a webhook's answer would.
const CONFIG = `
import { sqlite } from '${root}/src/store/sqlite/sqlite.ts'
import { handlers } from '${root}/src/backend/handlers/handlers.ts'
const local = handlers()
local.registry.on('*', () => { throw new Error(${JSON.stringify(HOSTILE)}) }, { name: 'all' })
export default { store: sqlite({ path: ${JSON.stringify(join(folder, 'o.db'))} }), backends: { local } }
`

let copies = 0
async function broadcaster(
  args: readonly string[],
  options: { readonly coloured?: boolean; readonly width?: number } = {},
): Promise<FakeTerminal & { code: number }> {
  const name = `${++copies}.mjs`
  writeFileSync(join(folder, name), CONFIG)
  const terminal = new FakeTerminal(folder, { env: { BROADCASTER_CONFIG: name }, ...options })
  return Object.assign(terminal, { code: await runCli(args, terminal, '') })
}

/** Escapes as text, to be named in patterns. */
function visible(line: string | undefined): string {
  return (line ?? '').replaceAll('\u001b', '<esc>')
}

function assertHarmless(terminal: FakeTerminal): void {
  for (const line of [...terminal.lines, ...terminal.notes, ...terminal.shown]) {
    // Our own colours are the only escapes.
    const plain = visible(line).replace(/^<esc>\[\d+m(.*)<esc>\[0m$/, '$1')
    assert.doesNotMatch(plain, /[^\P{Cc}\t]|[\u202e\u2028]/u, JSON.stringify(line))
  }
}

test('escapes and line breaks of an error are shown, not obeyed: worker, list, show, stats, errors', async () => {
  assert.equal((await broadcaster(['migrate'])).code, 0)
  const published = await broadcaster(['publish', 'a.b', '--source', '/s', '--key', 'k', '--data', '"\\u001b[2J"'])
  const id = published.output
  const worked = await broadcaster(['worker', '--max-iterations', '1'])
  const listed = await broadcaster(['list'], { coloured: true })
  const shown = await broadcaster(['show', id])
  const json = await broadcaster(['show', id, '--json'])
  const wrong = await broadcaster(['show', HOSTILE])
  const unknown = await broadcaster([HOSTILE])
  for (const one of [worked, listed, shown, json, wrong, unknown, await broadcaster(['stats'])]) assertHarmless(one)
  assert.match(worked.output, /\\u001b\[2J\\u001b\]0;mine\\u0007/)
  assert.match(listed.output, /\\u001b\[2J/)
  assert.match(shown.output, /^last error +.*\\u000aFAILED: all is lost\\u202e\\u009b31m\\u007f \[SEND_FAILED\]$/m)
  assert.equal(
    shown.lines.some((line) => line.startsWith('FAILED')),
    false,
  )
  // JSON stays JSON, and means the same.
  assert.match(visible(String(json.json['lastError'])), /<esc>\[2J/)
  assert.equal(json.lines.length, 1)
})

test('printable leaves what people write as it is', () => {
  for (const text of ['größer 日本 👩‍👩‍👧 שלום', 'a\tb', '']) assert.equal(printable(text), text)
  assert.equal(JSON.parse(printable(JSON.stringify({ a: '\u009b\u2028' }))).a, '\u009b\u2028')
})

test('colours only where the terminal shows them', async () => {
  const listed = await broadcaster(['list'], { coloured: true })
  assert.match(visible(listed.lines[0]), /^<esc>\[1mID .*<esc>\[0m$/)
  assert.match(visible(listed.lines[1]), /^<esc>\[33m[0-9a-f-]{36} {2}retry .*<esc>\[0m$/)
  assert.match(visible(listed.notes[0]), /^<esc>\[2mbroadcaster: sqlite .*o\.db<esc>\[0m$/)
  assert.doesNotMatch(visible((await broadcaster(['list'])).output), /<esc>/)
})

for (const width of [60, 80, 120, 200]) {
  test(`a list fits a window of ${width} columns, with whole ids`, async () => {
    const { lines } = await broadcaster(['list'], { width })
    for (const line of lines) assert.ok(line.length <= width, `${line.length}: ${line}`)
    assert.match(lines[1] ?? '', /^[0-9a-f-]{36} {2}retry/)
    assert.match(lines[0] ?? '', width < 80 ? /^ID +STATUS +TYPE/ : /DUE/)
  })
}

test('a table gives way where there is room to give, and drops what is most expendable', () => {
  const columns = [
    { title: 'ID', cell: ({ id }: { id: string }) => id },
    { title: 'TEXT', cell: () => 'x'.repeat(30), least: 6, expendable: 1 },
    { title: 'MORE', cell: () => 'y'.repeat(10), expendable: 2 },
    { title: 'NONE', cell: () => '', expendable: 1 },
  ]
  assert.deepEqual(fitTable(columns, [{ id: 'i'.repeat(10) }], undefined)[0], `ID          TEXT${' '.repeat(28)}MORE`)
  assert.deepEqual(fitTable(columns, [{ id: 'i'.repeat(10) }], 32)[1], `iiiiiiiiii  xxxxxxx…  yyyyyyyyyy`)
  assert.deepEqual(fitTable(columns, [{ id: 'i'.repeat(10) }], 20)[1], `iiiiiiiiii  xxxxxxx…`)
  assert.deepEqual(fitTable(columns, [{ id: 'i'.repeat(10) }], 12)[1], 'iiiiiiiiii')
})
