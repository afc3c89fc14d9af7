import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, test } from 'node:test'
import { runCli } from '../../src/cli/run.ts'
import { root } from '../project/source-files.ts'
import { FakeTerminal } from '../support/fake-terminal.ts'
import { djangoDdl } from '../takeover/django-database.ts'

/** `migrate` and `doctor` on a SQLite file that Django made. */

const folder = mkdtempSync(join(tmpdir(), 'broadcaster-doctor-'))
after(() => rmSync(folder, { recursive: true }))
const django = new DatabaseSync(join(folder, 'db.sqlite3'))
after(() => django.close())
django.exec(djangoDdl('sqlite'))

let copies = 0
async function broadcaster(...args: readonly string[]): Promise<FakeTerminal & { code: number }> {
  // The command closes its Broadcaster, so the next one needs a new module.
  const config = `${++copies}.mjs`
  writeFileSync(
    join(folder, config),
    `import { sqlite } from '${root}/src/store/sqlite/sqlite.ts'
import { handlers } from '${root}/src/backend/handlers/handlers.ts'
const local = handlers()
local.registry.on('*', () => undefined, { name: 'all' })
export default { store: sqlite({ path: '${join(folder, 'db.sqlite3')}' }), backends: { local } }`,
  )
  const terminal = new FakeTerminal(folder, { env: { BROADCASTER_CONFIG: config } })
  return Object.assign(terminal, { code: await runCli(args, terminal, '1.2.3') })
}

function insert(status: string, backend: string, createdAt: string): void {
  django.exec(`INSERT INTO outbox_events VALUES (lower(hex(randomblob(16))), '1.0', 'a', '/s', '', 'application/json', '', '{}',
    '${status}', '${createdAt}', '${createdAt}', '${createdAt}', NULL, 0, 3, '', '${backend}', '{}')`)
}

test('a table that Django made: told, taken over, looked at, delivered', async () => {
  insert('pending', '', '2024-03-01 08:30:00')
  insert('processing', 'redis', '2024-03-01 08:30:00.5')

  const before = await broadcaster('doctor')
  assert.equal(before.code, 6)
  assert.match(before.output, /^wrong .*outbox_events in .* exists, but is not taken over\n +-> broadcaster migrate$/)

  const planned = await broadcaster('migrate', '--dry-run')
  assert.match(planned.output, /^to do {2}the table that Django made is taken over$/m)
  assert.match((await broadcaster('migrate', '--print', '--take-over')).output, /RENAME TO "outbox_events_django"/)
  assert.equal((await broadcaster('doctor')).code, 6, 'nothing was done yet')

  const migrated = await broadcaster('migrate')
  assert.equal(migrated.code, 0, migrated.warnings)
  assert.match(migrated.output, /^done {3}the table that Django made is taken over$/m)
  assert.match(
    migrated.output,
    /outbox_even_status_83a3ef_idx is Django's.* DROP INDEX "outbox_even_status_83a3ef_idx";$/m,
  )

  const sick = await broadcaster('doctor', '--json')
  assert.equal(sick.code, 6)
  const { findings } = sick.json as { findings: { level: string; code: string; message: string; cure?: string }[] }
  const wrong = findings.filter(({ level }) => level === 'wrong').map(({ message }) => message)
  assert.deepEqual(
    wrong.map((message) => message.replace(/\d+ days/, 'N days')),
    [
      'no worker is running, and 2 events wait',
      'the oldest due event of the default backend has waited N days',
      '1 event waits for a backend redis, which is not configured here',
      'the oldest due event of redis has waited N days',
    ],
  )
  const indexes = findings.filter(({ code }) => code === 'extra-index')
  assert.equal(indexes.length, 6)
  assert.ok(indexes.every(({ level, cure }) => level === 'advice' && cure?.startsWith('DROP INDEX "outbox_even')))

  await broadcaster('worker', '--max-iterations', '1')
  for (const { cure = '' } of indexes) django.exec(cure.replace(/ \(.*/, ''))
  django.exec("UPDATE outbox_events SET publisher_backend = '' WHERE publisher_backend = 'redis'")
  await broadcaster('worker', '--max-iterations', '1')
  const well = await broadcaster('doctor')
  assert.equal(well.code, 0, well.output)
  assert.doesNotMatch(well.output, /wrong|not ours/)
  assert.match(well.output, /^advice {2}no worker is running, and nothing waits$/m)
  assert.equal(django.prepare("SELECT count(*) AS n FROM outbox_events WHERE status = 'published'").get()?.['n'], 2)
})

test('capture prints triggers for a table, and refuses what is not there', async () => {
  django.exec('CREATE TABLE orders (id integer PRIMARY KEY, total integer, secret text)')
  const printed = await broadcaster('capture', 'orders', '--type', 'order', '--omit', 'secret')
  assert.equal(printed.code, 0, printed.warnings)
  assert.doesNotMatch(printed.output, /secret/)
  django.exec(printed.output)
  django.exec("INSERT INTO orders VALUES (7, 1, 'x')")
  assert.equal(
    django.prepare("SELECT partition_key AS k FROM outbox_events WHERE event_type = 'order.created'").get()?.['k'],
    '7',
  )
  const wrong: readonly (readonly [number, RegExp, ...string[]])[] = [
    [2, /give one table/],
    [2, /no backend nowhere; there are local/, 'orders', '--backend', 'nowhere'],
    [1, /there is no such table/, 'ordres'],
    [1, /key is number; orders has id, total, secret/, 'orders', '--key', 'number'],
    [1, /omit is password; orders has/, 'orders', '--omit', 'password'],
  ]
  for (const [code, message, ...args] of wrong) {
    const done = await broadcaster('capture', ...args)
    assert.equal(done.code, code, done.warnings)
    assert.match(done.warnings, message)
  }
})

test('--fix mends what is safe: it asks, does not without an answer, and leaves the rest alone', async () => {
  django.exec('DROP INDEX outbox_events_hot')
  const refused = await broadcaster('doctor', '--fix')
  assert.equal(refused.code, 2)
  assert.match(refused.warnings, /add --yes/)
  assert.match((await broadcaster('doctor')).output, /^wrong {3}the index outbox_events_hot is missing/m)

  const fixed = await broadcaster('doctor', '--fix', '--yes', '--json')
  const { findings, fixed: done } = fixed.json as { findings: { code: string }[]; fixed: { code: string }[] }
  assert.deepEqual(
    done.map(({ code }) => code),
    ['index-missing'],
  )
  assert.ok(findings.every(({ code }) => code !== 'index-missing'))
  assert.doesNotMatch((await broadcaster('doctor', '--fix')).output, /^fixed/m, 'and there is nothing to ask')
})
