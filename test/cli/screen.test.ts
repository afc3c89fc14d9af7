import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { commands } from '../../src/cli/commands.ts'
import { runCli } from '../../src/cli/run.ts'
import { fitTable } from '../../src/cli/table.ts'
import { processTerminal, widthOf } from '../../src/cli/terminal.ts'
import { wrapLine } from '../../src/cli/wrap.ts'
import { printable } from '../../src/foundation/printable.ts'
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

test('colours are for terminals, each of the two by itself, and not where NO_COLOR or TERM=dumb says so', (t) => {
  const streams = [process.stdout, process.stderr]
  const before = streams.map((stream) => Object.getOwnPropertyDescriptor(stream, 'isTTY'))
  const { NO_COLOR, TERM } = process.env
  t.after(() => {
    for (const [n, stream] of streams.entries()) {
      Reflect.deleteProperty(stream, 'isTTY')
      Object.defineProperties(stream, before[n] === undefined ? {} : { isTTY: before[n] })
    }
    setEnvironment({ NO_COLOR, TERM })
  })
  const setEnvironment = (wanted: Readonly<Record<'NO_COLOR' | 'TERM', string | undefined>>): void => {
    for (const [name, value] of Object.entries(wanted)) {
      if (value === undefined) delete process.env[name]
      else process.env[name] = value
    }
  }
  const coloured = (out: boolean, note: boolean, noColor: string | undefined, term: string | undefined) => {
    for (const [n, value] of [out, note].entries()) {
      Object.defineProperty(streams[n], 'isTTY', { value, configurable: true })
    }
    setEnvironment({ NO_COLOR: noColor, TERM: term })
    const shown = processTerminal().coloured
    return [shown.out, shown.note]
  }
  assert.deepEqual(coloured(true, true, undefined, 'xterm'), [true, true])
  assert.deepEqual(coloured(true, true, '', undefined), [true, true])
  assert.deepEqual(coloured(false, true, undefined, 'xterm'), [false, true])
  assert.deepEqual(coloured(true, false, undefined, 'xterm'), [true, false])
  assert.deepEqual(coloured(true, true, '1', 'xterm'), [false, false])
  assert.deepEqual(coloured(true, true, undefined, 'dumb'), [false, false])
})

for (const width of [60, 80, 120, 200]) {
  test(`a list fits a window of ${width} columns, with whole ids`, async () => {
    const { lines } = await broadcaster(['list'], { width })
    for (const line of lines) assert.ok(line.length <= width, `${line.length}: ${line}`)
    assert.match(lines[1] ?? '', /^[0-9a-f-]{36} {2}retry/)
    assert.match(lines[0] ?? '', width < 80 ? /^ID +STATUS +TYPE/ : /DUE/)
  })
}

for (const width of [60, 80, 200]) {
  test(`every page fits a window of ${width} columns, but for words that are longer`, async () => {
    const pages = [
      ['--help'],
      ...commands.map(({ name }) => [name, '--help']),
      ...['stats', 'health', 'doctor', 'list'].map((name) => [name]),
      ['breaker', 'list'],
      ['nonsense'],
      ['requeue'],
      ['migrate', '--dry-run'],
    ]
    for (const page of pages) {
      const { lines, notes } = await broadcaster(page, { width })
      for (const line of [...lines, ...notes]) {
        const longest = Math.max(...line.split(/ +/).map((word) => word.length))
        assert.ok(line.length <= width || longest > width / 2, `${page.join(' ')}: ${line.length}: ${line}`)
      }
    }
  })
}

test('piped, and as JSON in whatever window, nothing is wrapped', async () => {
  for (const page of [['stats'], ['health'], ['doctor'], ['list']]) {
    const json = await broadcaster([...page, '--json'], { width: 60 })
    assert.equal(json.lines.length, 1)
    JSON.parse(json.output)
  }
  assert.match((await broadcaster(['stats'])).output, /^BACKEND +WAITING +STUCK +LAG .*BLOCKED KEYS +OUT\/S$/m)
  const sql = await broadcaster(['migrate', '--print'])
  assert.deepEqual((await broadcaster(['migrate', '--print'], { width: 60 })).lines, sql.lines)
  const refused = await broadcaster(['nonsense', '--json'], { width: 60 })
  assert.equal(refused.notes.length, 1)
})

test('help in a pipe is that of 80 columns', async () => {
  for (const page of [['--help'], ['worker', '--help'], ['help', 'worker']]) {
    assert.deepEqual((await broadcaster(page)).lines, (await broadcaster(page, { width: 80 })).lines)
  }
})

test('a window that nobody has sized says 0 columns, and then nothing is wrapped', () => {
  assert.equal(widthOf({ isTTY: true, columns: 0 }), undefined)
  assert.equal(widthOf({ isTTY: true }), undefined)
  assert.equal(widthOf({ columns: 80 }), undefined)
  assert.equal(widthOf({ isTTY: true, columns: 80 }), 80)
})

test('a line is broken at spaces, a word that is too long stays whole', () => {
  assert.deepEqual(wrapLine('aaa bbb ccc ddd', 8), ['aaa bbb', '  ccc', '  ddd'])
  assert.deepEqual(wrapLine('  a bbbbbbbbbbbb c', 8), ['  a', '    bbbbbbbbbbbb', '    c'])
  assert.deepEqual(wrapLine('bbbbbbbbbbbb', 8), ['bbbbbbbbbbbb'])
  assert.deepEqual(wrapLine('a  b', undefined), ['a  b'])
})

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

test('a table keeps a narrow column where a wide one that is less expendable has no room', () => {
  const columns = [
    { title: 'ID', cell: () => 'i'.repeat(10) },
    { title: 'WIDE', cell: () => 'x'.repeat(30), least: 20, expendable: 1 },
    { title: 'SLIM', cell: () => 'y'.repeat(5), expendable: 2 },
    { title: 'LAST', cell: () => 'z'.repeat(5), expendable: 3 },
  ]
  assert.deepEqual(fitTable(columns, [0], 60)[1], `iiiiiiiiii  ${'x'.repeat(30)}  yyyyy  zzzzz`)
  assert.deepEqual(fitTable(columns, [0], 24)[1], 'iiiiiiiiii  yyyyy  zzzzz')
  assert.deepEqual(fitTable(columns, [0], 23)[1], 'iiiiiiiiii  yyyyy')
})

test('failed events in a window of 80 columns have their key and their backend', async () => {
  const more = ['--key', 'customer-4711', '--max-retries', '0']
  await broadcaster(['publish', 'order.placed.by-telephone', '--source', '/s', ...more])
  await broadcaster(['worker', '--max-iterations', '1'])
  const { lines } = await broadcaster(['list', '--status', 'failed'], { width: 80 })
  assert.match(lines[0] ?? '', /^ID +STATUS +TYPE +KEY +BACKEND$/)
  assert.match(lines[1] ?? '', /^[0-9a-f-]{36} {2}failed {2}order\.placed.* customer.* local$/)
})

test('health cuts no reason: it stands beneath its line where it has no room in it', async () => {
  const cure = 'nothing answers at the address that was given; mend it, or start what should answer there'
  const text = CONFIG.replace(
    'backends: { local }',
    `backends: { away: { ...local, healthCheck: async () => (${JSON.stringify({ healthy: false, detail: cure })}) } }`,
  )
  const health = async (width?: number): Promise<readonly string[]> => {
    const name = `${++copies}.mjs`
    writeFileSync(join(folder, name), text)
    const terminal = new FakeTerminal(folder, { env: { BROADCASTER_CONFIG: name }, ...(width && { width }) })
    assert.equal(await runCli(['health'], terminal, ''), 6)
    return terminal.lines
  }
  const [titles = '', , away = ''] = await health()
  assert.match(titles, /^NAME +STATE +DETAIL$/)
  assert.match(away, new RegExp(`^away +NOT HEALTHY +${cure}$`))
  const narrow = await health(80)
  assert.match(narrow[0] ?? '', /^NAME +STATE$/)
  const at = narrow.findIndex((line) => /^away +NOT HEALTHY$/.test(line))
  assert.ok(at > 0, narrow.join('\n'))
  assert.match(narrow[at + 1] ?? '', /^ {2}nothing answers/)
  assert.equal(
    narrow
      .slice(at + 1)
      .map((line) => line.trim())
      .join(' '),
    cure,
  )
  for (const line of narrow) assert.ok(line.length <= 80, line)
})
