import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, describe, test } from 'node:test'
import { firstIdAt } from '../../src/cli/new-events.ts'
import { runCli } from '../../src/cli/run.ts'
import { frameOf } from '../../src/cli/top/frame.ts'
import { Rates } from '../../src/cli/top/rates.ts'
import { Broadcaster } from '../../src/index.ts'
import { memoryBackend } from '../../src/memory.ts'
import { sqlite } from '../../src/store/sqlite/sqlite.ts'
import { insert, newEvent } from '../../src/testing/store/steps.ts'
import { root } from '../project/source-files.ts'
import { FakeTerminal } from '../support/fake-terminal.ts'

/** What an operator watches with: `list --filter`, `tail` and `top`. */

const folder = mkdtempSync(join(tmpdir(), 'broadcaster-watching-'))
const opened: Broadcaster[] = []
after(async () => {
  for (const one of opened) await one.close()
  rmSync(folder, { recursive: true })
})

let files = 0

/** An outbox, and a terminal of it. */
async function outbox() {
  const path = join(folder, `${++files}.db`)
  const broadcaster = new Broadcaster({
    ...{ name: 'shop', store: sqlite({ path }), logger: false },
    backends: { default: memoryBackend(), partners: memoryBackend() },
  })
  opened.push(broadcaster)
  await broadcaster.store.schema.migrate()
  const terminal = (width?: number): FakeTerminal => {
    const name = `${++files}.mjs`
    const imports = `import { sqlite } from '${root}/src/store/sqlite/sqlite.ts'\nimport { memoryBackend } from '${root}/src/memory.ts'`
    const config = `{ name: 'shop', store: sqlite({ path: '${path}' }), backends: { default: memoryBackend(), partners: memoryBackend() } }`
    writeFileSync(join(folder, name), `${imports}\nexport default ${config}\n`)
    return new FakeTerminal(folder, { env: { BROADCASTER_CONFIG: name }, ...(width !== undefined && { width }) })
  }
  const create = (type: string, data: unknown = null, partitionKey = 'k') =>
    broadcaster.events.create({ type, source: '/s', data, partitionKey })
  return { broadcaster, path, terminal, create }
}

describe('list --filter', () => {
  test('finds by the language of the admin, data included', async () => {
    const { create, terminal } = await outbox()
    await create('order.created', { total: 5 })
    const wanted = await create('order.created', { total: 500 })
    await create('user.created', { total: 500 })
    const shown = terminal()
    assert.equal(await runCli(['list', '--filter', 'type:order.* data.total:>100', '--json'], shown, ''), 0)
    const { events } = shown.json as { readonly events: readonly { readonly id: string }[] }
    assert.deepEqual(
      events.map(({ id }) => id),
      [wanted.id],
    )
  })

  test('points at a mistake, before anything is asked', async () => {
    const shown = new FakeTerminal(folder, { env: { BROADCASTER_CONFIG: 'none.mjs' } })
    assert.equal(await runCli(['list', '--filter', 'type:a stauts:failed'], shown, ''), 2)
    const [first, text, mark] = shown.notes
    assert.match(first ?? '', /^broadcaster: --filter: there is no field stauts; did you mean "status"\?/)
    assert.deepEqual([text, mark], ['  type:a stauts:failed', '         ^^^^^^^'])
  })

  test('of a long filter shows what is around the mistake', async () => {
    const shown = new FakeTerminal(folder)
    const filter = `${'type:a '.repeat(20)}retries:many ${'type:b '.repeat(20)}`
    assert.equal(await runCli(['list', '--filter', filter], shown, ''), 2)
    const [, text = '', mark = ''] = shown.notes
    assert.equal(text.slice(mark.indexOf('^'), mark.lastIndexOf('^') + 1), 'many')
    assert.ok(text.length < 80, text)
    assert.match(text, /^ {2}….*…$/)
  })

  test('takes nothing beside it that it says itself', async () => {
    const shown = new FakeTerminal(folder)
    assert.equal(await runCli(['list', '--filter', 'type:a', '--status', 'failed'], shown, ''), 2)
    assert.match(shown.warnings, /--status has no effect beside --filter/)
  })
})

describe('tail', () => {
  test('shows what is published from now on, and ends by a signal', async () => {
    const { create, terminal } = await outbox()
    const before = await create('before')
    const shown = terminal()
    const ended = runCli(['tail', '--interval', '20ms'], shown, '')
    while (!/Waiting for events/.test(shown.notes.join())) await new Promise((resolve) => setTimeout(resolve, 5))
    const event = await create('order.created', null, '42')
    const line = await shown.line(/order\.created/)
    assert.match(line, new RegExp(`^\\S+Z  ${event.id}  pending  order\\.created  42  default$`))
    shown.stop.abort()
    assert.equal(await ended, 0)
    assert.doesNotMatch(shown.output, new RegExp(before.id))
    assert.equal(shown.lines.length, 1, 'once, however often it is looked')
  })

  test('--since shows what was there, --filter some of it, --json an object a line', async () => {
    const { create, terminal } = await outbox()
    await create('order.created', { total: 5 })
    const wanted = await create('order.created', { total: 500 })
    const shown = terminal()
    const args = ['tail', '--since', '1h', '--filter', 'data.total:>100', '--json', '--data', '--interval', '20ms']
    const ended = runCli(args, shown, '')
    await shown.line(/order\.created/)
    const later = await create('order.created', { total: 501 })
    await shown.line(new RegExp(later.id))
    shown.stop.abort()
    assert.equal(await ended, 0)
    const found = shown.lines.map((line) => JSON.parse(line) as { readonly id: string; readonly data: unknown })
    assert.deepEqual(
      found.map(({ id, data }) => [id, data]),
      [
        [wanted.id, { total: 500 }],
        [later.id, { total: 501 }],
      ],
    )
  })

  test('finds what committed after later ones, and nothing with an id from before', async () => {
    const { broadcaster, create, terminal } = await outbox()
    const shown = terminal()
    const ended = runCli(['tail', '--interval', '20ms'], shown, '')
    while (!/Waiting for events/.test(shown.notes.join())) await new Promise((resolve) => setTimeout(resolve, 5))
    await create('first')
    await shown.line(/first/)
    const publish = (eventType: string, ago: number) =>
      insert(broadcaster.store, newEvent({ id: firstIdAt(Date.now() - ago), eventType }))
    await publish('an-hour-ago', 3_600_000)
    await publish('late', 20_000)
    await shown.line(/late/)
    shown.stop.abort()
    assert.equal(await ended, 0)
    assert.doesNotMatch(shown.output, /an-hour-ago/)
  })

  test('fits a window of 80 columns with its id whole', async () => {
    const { create, terminal } = await outbox()
    const event = await create('a.type.that.is.much.longer.than.any.window', null, 'and a key that is long, too')
    const shown = terminal(80)
    const ended = runCli(['tail', '--since', '1h', '--interval', '20ms'], shown, '')
    const line = await shown.line(/pending/)
    shown.stop.abort()
    assert.equal(await ended, 0)
    assert.ok(line.length <= 80 && line.includes(event.id), line)
  })
})

const ESCAPE = '\u001b'

/** What a terminal of this size shows at the end of each frame, for what `top` uses of it. */
function framesOf(output: string, columns: number, rows: number): readonly (readonly string[])[] {
  const [, window = ''] = output.split(`${ESCAPE}[2J`)
  const [shown = ''] = window.split(`${ESCAPE}[?7h`)
  return shown
    .replaceAll('\r\r\n', '\r\n')
    .split(`${ESCAPE}[H`)
    .slice(1)
    .map((frame) => {
      const [first = '', ...rest] = frame.split(ESCAPE)
      // Colours, and what clears the rest of a line or of the window.
      const plain = first + rest.map((piece) => piece.replace(/^\[(\d*m|[KJ])/, '')).join('')
      const lines = plain.split('\r\n')
      assert.ok(lines.length <= rows, `${lines.length} lines`)
      for (const line of lines) assert.ok(line.length <= columns, line)
      assert.doesNotMatch(plain, /[^\P{Cc}\r\n]/u)
      return lines
    })
}

/** `top` in a terminal of 80x24, and what the shell finds afterwards. */
async function topInTerminal(config: string, act: (type: (keys: string) => void, seen: () => string) => Promise<void>) {
  const command = `stty rows 24 cols 80; ${process.execPath} --conditions=ts-broadcaster-source ${root}/src/cli/main.ts top --interval 200ms; echo "code $?"; stty -a`
  const child = spawn('script', ['-qec', command, '/dev/null'], {
    cwd: folder,
    env: { ...process.env, BROADCASTER_CONFIG: config, TERM: 'xterm' },
  })
  after(() => child.kill('SIGKILL'))
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (piece: string) => (output += piece))
  const ended = new Promise((resolve) => child.once('close', resolve))
  await act(
    (keys) => child.stdin.write(keys),
    () => output,
  )
  await ended
  return output
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 20))
}

describe('top', () => {
  for (const [name, key] of [
    ['q', 'q'],
    ['Ctrl-C', '\x03'],
  ] as const) {
    test(`in a terminal of 80x24 it fits, and after ${name} the terminal is as it was`, async () => {
      const { broadcaster, create, terminal } = await outbox()
      const failed = await create('order.created', null, 'a key')
      await broadcaster.events.markAsFailed(failed.id, 'no')
      await broadcaster.admin.pause('partners', { by: 'otto', reason: 'a long reason '.repeat(20) })
      for (let n = 0; n < 30; n++) {
        const one = await create('order.created', null, `key ${n}`)
        await broadcaster.events.markAsFailed(one.id, 'no')
      }
      const output = await topInTerminal(terminal().env['BROADCASTER_CONFIG'] ?? '', async (type, seen) => {
        await until(() => seen().split(`${ESCAPE}[H`).length > 4)
        type(key)
      })
      const frames = framesOf(output, 80, 24)
      assert.ok(frames.length >= 3)
      const text = frames.at(-1)?.join('\n') ?? ''
      assert.match(text, /^shop: sqlite outbox_events in .* UTC$/m)
      assert.match(text, /31 failed · no worker is running/)
      assert.match(text, /^default +0\.0 +0\.0 /m)
      assert.match(text, /^paused: partners, by otto .*…$/m)
      assert.match(text, /^BLOCKED KEY/m)
      assert.match(text, /^… \d+ more$/m)
      assert.match(output, /code 0/)
      const [, afterwards = ''] = output.split('code 0')
      assert.match(afterwards, /[^-]icanon/)
      assert.match(afterwards, /[^-]echo /)
      assert.equal(output.split(`${ESCAPE}[2J`).length, 2, 'a window that is cleared flickers')
    })
  }

  test('an outbox without events, and one that breaks meanwhile', async () => {
    const { path, terminal } = await outbox()
    const output = await topInTerminal(terminal().env['BROADCASTER_CONFIG'] ?? '', async (type, seen) => {
      await until(() => seen().split(`${ESCAPE}[H`).length > 3)
      const database = new DatabaseSync(path)
      database.exec('ALTER TABLE outbox_lanes RENAME TO gone')
      await until(() => /These numbers are|doctor: /.test(seen().split('0 rows').at(-1) ?? ''))
      database.close()
      type('q')
    })
    const frames = framesOf(output, 80, 24)
    assert.match(frames[0]?.join('\n') ?? '', /0 waiting · 0 stuck · 0 failed · no worker is running · 0 rows/)
    assert.match(output, /code 0/)
  })

  test('where there is no terminal it prints once, and with --json for programs', async () => {
    const { create, terminal } = await outbox()
    await create('order.created')
    const shown = terminal()
    assert.equal(await runCli(['top'], shown, ''), 0)
    assert.match(shown.output, /^default +0\.0 +0\.0 +1 +0 /m)
    const forPrograms = terminal()
    assert.equal(await runCli(['top', '--json'], forPrograms, ''), 0)
    const { rates, workers } = forPrograms.json
    assert.deepEqual([workers, rates], [[], { default: RATE, partners: RATE }])
  })

  test('rates: what came, and what came and is not there any more', async () => {
    const { broadcaster, create } = await outbox()
    const rates = new Rates(broadcaster.admin.filter())
    const status = await broadcaster.status()
    assert.equal((await rates.after(status)).size, 0)
    const events = await Promise.all(Array.from({ length: 30 }, () => create('a')))
    for (const { id } of events.slice(0, 20)) await broadcaster.events.markAsPublished(id)
    const later = await broadcaster.status()
    // As if ten seconds had gone by.
    const at = new Date((status.at?.getTime() ?? 0) + 10_000)
    assert.deepEqual((await rates.after({ ...later, at })).get('default'), { come: 3, gone: 2, more: false })
  })

  test('a frame fits every window, whatever is wrong', async () => {
    const { broadcaster } = await outbox()
    const status = await broadcaster.status()
    const [backend] = status.backends
    assert.ok(backend)
    const many = {
      ...status,
      backends: Array.from({ length: 40 }, (_, n) => ({
        ...backend,
        backend: `backend-${n}`,
        failed: { count: 1, exact: false },
      })),
      workers: Array.from({ length: 40 }, (_, n) => ({
        id: `${n}`,
        name: `w${n}`,
        backends: ['a'],
        leaseLeft: 1,
        lanes: 1,
      })),
    }
    const trouble = { message: 'the database\n\u001b[2J is away', since: 5_000 }
    for (const [columns, rows] of [
      [80, 24],
      [40, 10],
      [20, 5],
      [200, 60],
    ] as const) {
      const lines = frameOf({ status: many, rates: new Map(), trouble }, columns, rows)
      assert.ok(lines.length <= rows, `${columns}x${rows}: ${lines.length} lines`)
      const long = lines.filter(({ text }) => text.length > columns)
      assert.deepEqual(
        long.map(({ text }) => text),
        [],
        `${columns}x${rows}`,
      )
    }
    const [, second] = frameOf({ status: many, rates: new Map(), trouble }, 80, 24)
    assert.match(second?.text ?? '', /^These numbers are 5\.0 s old: the database \\u001b\[2J is away/)
  })
})

const RATE = { come: 0, more: false, gone: 0 }
