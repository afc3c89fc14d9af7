import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { runCli } from '../../src/cli/run.ts'
import { root } from '../project/source-files.ts'
import { FakeTerminal } from '../support/fake-terminal.ts'

/** The commands on a configuration file that exports several outboxes. */

const folder = mkdtempSync(join(tmpdir(), 'broadcaster-outboxes-'))
after(() => rmSync(folder, { recursive: true }))

let copies = 0
/** A command closes its Broadcasters, so the next one needs a new module. `configs`: the text of each configuration. */
function configFile(configs: readonly string[]): string {
  const name = `${++copies}.mjs`
  writeFileSync(
    join(folder, name),
    `
import { sqlite } from '${root}/src/store/sqlite/sqlite.ts'
let closed = 0
const backend = {
  send: async (events) => closed > 0 ? Promise.reject(new Error('closed')) : events.map(() => ({ ok: true })),
  healthCheck: async () => ({ healthy: true }),
  close: async () => { closed++ },
}
const store = (path) => sqlite({ path: '${folder}/' + path })
const backends = { main: backend }
export default [${configs.join(', ')}]
`,
  )
  return name
}

const EU = `{ name: 'eu', store: store('eu.db'), backends }`
const US = `{ name: 'us', store: store('us.db'), backends }`
/** Its folder is not there. */
const LOST = `{ name: 'lost', store: store('lost/lost.db'), backends }`

async function broadcaster(
  configs: readonly string[],
  ...args: readonly string[]
): Promise<FakeTerminal & { code: number }> {
  const terminal = new FakeTerminal(folder, { env: { BROADCASTER_CONFIG: configFile(configs) } })
  return Object.assign(terminal, { code: await runCli(args, terminal, '1.2.3') })
}

test('migrate, stats and health do all of them, each named', async () => {
  const migrated = await broadcaster([EU, US], 'migrate', '--lanes', '4')
  assert.equal(migrated.code, 0, migrated.warnings)
  assert.match(migrated.output, /^eu:\ndone [\s\S]*with 4 lanes\.\n\nus:\ndone [\s\S]*with 4 lanes\.$/)
  const stats = await broadcaster([EU, US], 'stats', '--json')
  const listed = stats.json['outboxes'] as { outbox: string; workers: unknown[] }[]
  assert.deepEqual(
    listed.map(({ outbox, workers }) => [outbox, workers.length]),
    [
      ['eu', 0],
      ['us', 0],
    ],
  )
  const health = await broadcaster([EU, US], 'health')
  assert.equal(health.code, 0)
  assert.match(health.output, /^eu:\nNAME [\s\S]*\nus:\nNAME /)
  assert.match((await broadcaster([EU, US], 'migrate', '--print')).output, /^-- eu\n[\s\S]*\n-- us\n/)
})

test('--outbox, or BROADCASTER_OUTBOX, chooses; one alone looks as if there were no other', async () => {
  const one = await broadcaster([EU, US], 'stats', '--outbox', 'us', '--json')
  assert.equal(one.code, 0, one.warnings)
  assert.deepEqual(one.json['workers'], [])
  const both = await broadcaster([EU, US, LOST], 'stats', '--outbox', 'us,eu')
  assert.match(both.output, /^eu:\n[\s\S]*\nus:\n/)
  assert.doesNotMatch(both.output, /lost/)
  const terminal = new FakeTerminal(folder, {
    env: { BROADCASTER_CONFIG: configFile([EU, US]), BROADCASTER_OUTBOX: 'eu' },
  })
  assert.equal(await runCli(['list', '--json'], terminal, ''), 0)
  const wrong = await broadcaster([EU, US], 'stats', '--outbox', 'uss')
  assert.deepEqual([wrong.code, wrong.warnings], [2, 'broadcaster: there is no outbox uss; did you mean "us"?'])
})

test('one that fails keeps nobody else from being done, and sets the exit code', async () => {
  const stats = await broadcaster([LOST, EU], 'stats')
  assert.notEqual(stats.code, 0)
  assert.match(stats.output, /^lost:\nFAILED: .*\n\neu:\nBACKEND /)
  const json = await broadcaster([LOST, EU], 'stats', '--json')
  const [lost, eu] = json.json['outboxes'] as { error?: { code: string } }[]
  assert.ok(lost?.error?.code)
  assert.equal(eu?.error, undefined)
  assert.equal(json.code, stats.code)
})

for (const args of [
  ['list'],
  ['show', '0198c2a0-7c1e-7000-8000-000000000000'],
  ['requeue', '--status', 'failed'],
  ['skip', '--status', 'failed'],
  ['cancel', '--type', 'x'],
  ['replay', '--type', 'x'],
  ['publish', 'a.b', '--source', '/s'],
]) {
  test(`${args[0]} needs one of several`, async () => {
    const done = await broadcaster([EU, US], ...args)
    assert.deepEqual(
      [done.code, done.warnings],
      [2, `broadcaster: ${args[0]} works on one outbox; give one of eu, us with --outbox`],
    )
    const chosen = await broadcaster([EU, US], ...args, '--outbox', 'eu')
    assert.equal(chosen.code, args[0] === 'show' ? 7 : 0, chosen.warnings)
  })
}

test('a file that exports several gives each a name of its own', async () => {
  const unnamed = await broadcaster([EU, `{ store: store('us.db'), backends }`], 'stats')
  assert.equal(unnamed.code, 3)
  assert.match(unnamed.warnings, /number 2 has no name; give each a name of its own/)
  const twice = await broadcaster([EU, US.replace('us', 'eu')], 'stats')
  assert.match(twice.warnings, /several configurations named 'eu'/)
  assert.equal((await broadcaster([], 'stats')).code, 3)
  assert.match((await broadcaster([EU, '{}'], 'stats')).warnings, /or a list of those/)
})

test('a worker serves all of them; one whose database is away waits', async () => {
  await broadcaster([EU, US], 'migrate')
  for (const name of ['eu', 'us']) {
    const done = await broadcaster([EU, US], 'publish', 'a.b', '--source', '/s', '--outbox', name)
    assert.equal(done.code, 0, done.warnings)
  }
  const env = { BROADCASTER_CONFIG: configFile([EU, LOST, US]), BROADCASTER_VERBOSE: '1' }
  const terminal = new FakeTerminal(folder, { env })
  const ended = runCli(['worker', '--name', 'w1', '--max-sends', '2'], terminal, '')
  await terminal.line(/ eu: published a\.b /)
  await terminal.line(/ us: published a\.b /)
  await terminal.line(/ lost: the database is DOWN: /)
  mkdirSync(join(folder, 'lost'))
  assert.equal((await broadcaster([LOST], 'migrate')).code, 0)
  await terminal.line(/ lost: worker w1 started for main/)
  const stats = await broadcaster([EU, LOST, US], 'stats', '--json')
  const outboxes = stats.json['outboxes'] as { workers: { name: string }[] }[]
  assert.deepEqual(
    outboxes.map(({ workers }) => workers.map(({ name }) => name)),
    [['w1'], ['w1'], ['w1']],
  )
  terminal.stop.abort()
  assert.equal(await ended, 0)
})

test('single passes over all of them', async () => {
  for (const name of ['eu', 'us']) await broadcaster([EU, US], 'publish', 'a.b', '--source', '/s', '--outbox', name)
  const worked = await broadcaster([EU, US], 'worker', '--max-iterations', '1')
  assert.equal(worked.code, 0, worked.warnings)
  assert.match(worked.output, /published 2 events in the last /)
})
