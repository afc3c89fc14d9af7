import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, test } from 'node:test'
import { runCli } from '../../src/cli/run.ts'
import { sqlite } from '../../src/store/sqlite/sqlite.ts'
import { insert, newEvent } from '../../src/testing/store/steps.ts'
import { root } from '../project/source-files.ts'
import { FakeTerminal } from '../support/fake-terminal.ts'

/** What `requeue`, `skip`, `cancel` and `replay` say of what they did, whatever happens meanwhile. */

const folder = mkdtempSync(join(tmpdir(), 'broadcaster-moves-'))
after(() => rmSync(folder, { recursive: true }))
const NOBODY = '0198c2a0-7c1e-7000-8000-000000000000'

let copies = 0
function open(): {
  readonly path: string
  run(args: readonly string[], progress?: (terminal: FakeTerminal) => void): Promise<Done>
} {
  const path = join(folder, `${++copies}.db`)
  return {
    path,
    async run(args, progress) {
      const config = `${++copies}.mjs`
      const store = `sqlite({ path: ${JSON.stringify(path)} })`
      const text = `import { sqlite } from '${root}/src/store/sqlite/sqlite.ts'\nexport default { store: ${store} }\n`
      writeFileSync(join(folder, config), text)
      const terminal = new FakeTerminal(folder, { env: { BROADCASTER_CONFIG: config } })
      terminal.progress = (line) => {
        terminal.shown.push(line)
        progress?.(terminal)
      }
      return { terminal, code: await runCli(args, terminal, '1.2.3') }
    },
  }
}

interface Done {
  readonly terminal: FakeTerminal
  readonly code: number
}

async function filled(path: string, count: number): Promise<readonly string[]> {
  const store = sqlite({ path })
  await store.schema.migrate()
  const rows = await insert(store, ...Array.from({ length: count }, () => newEvent()))
  await store.close()
  return rows.map(({ id }) => id)
}

function count(path: string, table: string, status: string): unknown {
  const database = new DatabaseSync(path)
  const row = database.prepare(`SELECT count(*) AS n FROM ${table} WHERE status = ?`).get(status)
  database.close()
  return row?.['n']
}

for (const [reason, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const) {
  test(`${reason} ends a long work between two batches, and what was done is told`, async () => {
    const { path, run } = open()
    await filled(path, 1_200)
    const done = await run(['cancel', '--all'], ({ stop }) => stop.abort(reason))
    assert.equal(done.code, code)
    assert.equal(done.terminal.output, '500 events cancelled.')
    assert.match(done.terminal.warnings, /^Interrupted: the rest was not processed/)
    assert.deepEqual([count(path, 'outbox_events', 'cancelled'), count(path, 'outbox_events', 'pending')], [500, 700])
  })
}

test('a database that fails in the middle: what was done is told, and then the error', async () => {
  for (const json of [false, true]) {
    const { path, run } = open()
    const ids = await filled(path, 1_200)
    const breakIt = (): void => {
      const database = new DatabaseSync(path)
      database.exec('ALTER TABLE outbox_events RENAME TO gone')
      database.close()
    }
    const { terminal, code } = await run(['cancel', '--all', ...(json ? ['--json'] : [])], breakIt)
    assert.notEqual(code, 0)
    if (json) {
      const { cancelled, interrupted, unchanged } = terminal.json
      assert.deepEqual([new Set(cancelled as string[]), interrupted, unchanged], [new Set(ids.slice(0, 500)), true, []])
      assert.match(terminal.warnings, /^\{"error":.*until then 500 moved, 0 too late, 0 unknown/)
    } else {
      assert.equal(terminal.output, '500 events cancelled.')
      assert.match(terminal.warnings, /^Interrupted: .*\nbroadcaster: .*500 moved, .* ask again for the rest/)
    }
    assert.equal(count(path, 'gone', 'cancelled'), 500)
  }
})

test('a dry run ends as the command itself: ids of no event are told', async () => {
  const { path, run } = open()
  const [id = ''] = await filled(path, 1)
  const args = ['cancel', id.toUpperCase(), id, NOBODY]
  const dry = await run([...args, '--dry-run'])
  assert.deepEqual([dry.code, dry.terminal.output], [7, '1 event would be cancelled. Of 1 id there is no event.'])
  assert.deepEqual((await run([...args, '--dry-run', '--json'])).terminal.json, {
    matches: 1,
    unchanged: 0,
    missing: 1,
  })
  const real = await run(args)
  assert.deepEqual([real.code, real.terminal.output], [7, '1 event cancelled.'])
  assert.match(real.terminal.warnings, new RegExp(`: ${NOBODY}$`))
})

test('an id that is none is a mistake of the command line', async () => {
  const { path, run } = open()
  await filled(path, 1)
  for (const args of [
    ['cancel', 'abc'],
    ['cancel', 'abc', '--dry-run'],
    ['show', 'abc'],
    ['list', '--after', 'abc'],
  ]) {
    const { code, terminal } = await run(args)
    assert.equal(code, 2, args.join(' '))
    assert.match(terminal.warnings, /^broadcaster: "abc" is not the id of an event/)
  }
})

test('reschedule takes --at or --delay, and purge deletes what is named, and no more', async () => {
  const { path, run } = open()
  const [first = '', second = ''] = await filled(path, 3)
  const neither = await run(['reschedule', first])
  assert.equal(neither.code, 2)
  assert.match(neither.terminal.warnings, /reschedule takes --at or --delay/)
  assert.equal((await run(['reschedule', first, '--at', '2030-01-01T00:00:00Z', '--delay', '1h'])).code, 2)

  const dry = await run(['reschedule', '--all', '--delay', '1h', '--dry-run'])
  assert.match(dry.terminal.output, /3 events would be rescheduled/)
  const due = (): unknown[] => {
    const database = new DatabaseSync(path)
    const rows = database
      .prepare("SELECT scheduled_at LIKE '2030-01-01%' AS later FROM outbox_events ORDER BY seq")
      .all()
    database.close()
    return rows.map((row) => row['later'])
  }
  assert.deepEqual(due(), [0, 0, 0])
  const moved = await run(['reschedule', first, '--at', '2030-01-01T00:00:00Z', '--json'])
  assert.deepEqual(moved.terminal.json['rescheduled'], [first])
  assert.deepEqual(due(), [1, 0, 0])

  await run(['cancel', second])
  assert.equal((await run(['purge'])).code, 2)
  assert.match((await run(['purge', '--failed', '1h'])).terminal.output, /^0 rows deleted\.$/m)
  assert.deepEqual((await run(['purge', '--failed', '0', '--json', '--reason', 'tidy'])).terminal.json, { deleted: 1 })
  assert.equal(count(path, 'outbox_events', 'pending'), 2)
  await run(['cancel', first])
  assert.deepEqual((await run(['purge', '--cancelled', '0', '--type', 'other.*', '--json'])).terminal.json, {
    deleted: 0,
  })
  assert.equal((await run(['purge', '--cancelled', '0', '--type', 'a.**'])).code, 2)
  assert.equal((await run(['purge', '--inbox', '0', '--type', 'a.*'])).code, 2)
  assert.deepEqual((await run(['purge', '--failed', '0', '--cancelled', '1h', '--json'])).terminal.json, { deleted: 0 })
  assert.deepEqual((await run(['purge', '--cancelled', '0', '--keep', '5', '--json'])).terminal.json, { deleted: 1 })
  assert.equal(count(path, 'outbox_events', 'pending'), 1)
  assert.match((await run(['audit'])).terminal.output, /purge.*tidy/)
})

test('an undo that finds nothing says why that may be', async () => {
  const { path, run } = open()
  const [id = ''] = await filled(path, 1)
  await run(['cancel', id])
  const undo = async () => (await run(['undo', '1'])).terminal
  const [first, second] = [await undo(), await undo()]
  assert.deepEqual([first.lines, second.lines], [['1 undone.'], ['0 undone.']])
  assert.doesNotMatch(first.notes.join(), /nothing is left/)
  assert.match(second.notes.join(), /Of entry 1 nothing is left to undo: it was undone already, /)
})
