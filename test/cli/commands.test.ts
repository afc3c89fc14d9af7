import assert from 'node:assert/strict'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, beforeEach, describe, test } from 'node:test'
import { runCli } from '../../src/cli/run.ts'
import { sqlite } from '../../src/store/sqlite/sqlite.ts'
import { root } from '../project/source-files.ts'
import { FakeTerminal } from '../support/fake-terminal.ts'

/** The commands as a person uses them, one after the other on one SQLite file, without any server. */

const folder = mkdtempSync(join(tmpdir(), 'broadcaster-cli-'))
after(() => rmSync(folder, { recursive: true }))

// Each test has a file of its own, which the one configuration reads from the environment.
let tests = 0
const CONFIG = `
import { sqlite } from '${root}/src/store/sqlite/sqlite.ts'
import { handlers } from '${root}/src/backend/handlers/handlers.ts'
const local = handlers()
local.registry.on('*', (event) => { if (event.data === 'fail') throw new Error('refused by the handler') }, { name: 'all' })
const broken = { send: async () => { throw new Error('x') }, healthCheck: async () => ({ healthy: false, detail: 'out of order' }), close: async () => {} }
export default { store: sqlite({ path: process.env.CLI_TEST_DATABASE }), backends: { local, broken }, name: process.env.CLI_TEST_DATABASE }
`

beforeEach(() => {
  process.env['CLI_TEST_DATABASE'] = join(folder, `${++tests}.db`)
})

async function broadcaster(...args: readonly string[]): Promise<FakeTerminal & { code: number }> {
  const terminal = new FakeTerminal(folder, { env: { BROADCASTER_CONFIG: configFile() } })
  return Object.assign(terminal, { code: await runCli(args, terminal, '1.2.3') })
}

/** The command closes its Broadcaster, so the next one needs a new module. */
let copies = 0
function configFile(): string {
  const name = `${tests}-${++copies}.mjs`
  writeFileSync(join(folder, name), CONFIG)
  return name
}

async function published(...args: readonly string[]): Promise<string> {
  const done = await broadcaster('publish', ...args)
  assert.equal(done.code, 0, done.warnings)
  return done.output
}

describe('the program', () => {
  test('tells its version and its help', async () => {
    assert.equal((await broadcaster('--version')).output, '1.2.3')
    const help = await broadcaster('--help')
    assert.match(help.output, /Usage: broadcaster <command>/)
    assert.equal(help.code, 0)
    assert.equal((await broadcaster()).code, 2)
    assert.equal((await broadcaster('help', 'worker')).output, (await broadcaster('worker', '--help')).output)
  })

  test('suggests a command', async () => {
    const done = await broadcaster('lst')
    assert.equal(done.code, 2)
    assert.equal(done.warnings, 'broadcaster: there is no command lst; did you mean "list"?')
  })

  test('tells errors as JSON when asked', async () => {
    const done = await broadcaster('show', '0198c2a0-7c1e-7000-8000-000000000000', '--json')
    assert.equal(done.code, 4)
    const { error } = JSON.parse(done.warnings) as { error: { code: string; retryable: boolean } }
    assert.deepEqual([error.code, error.retryable], ['SCHEMA_MISSING', false])
  })

  test('ends with 5 when the database cannot be reached, and with 0 as soon as it can', async () => {
    const missing = join(folder, 'not-there-yet')
    process.env['CLI_TEST_DATABASE'] = join(missing, 'outbox.db')
    for (const command of [['stats'], ['list'], ['migrate'], ['publish', 'order.created', '--source', '/x']]) {
      const done = await broadcaster(...command)
      assert.equal(done.code, 5, `${command[0]}: ${done.warnings}`)
    }
    const json = await broadcaster('stats', '--json')
    assert.equal(json.code, 5)
    assert.equal((JSON.parse(json.warnings) as { error: { code: string } }).error.code, 'STORE_UNAVAILABLE')
    mkdirSync(missing)
    assert.equal((await broadcaster('migrate')).code, 0)
    assert.equal((await broadcaster('stats')).code, 0)
  })

  test('says where the configuration is missing', async () => {
    const terminal = new FakeTerminal(folder)
    assert.equal(await runCli(['stats'], terminal, ''), 3)
    assert.match(terminal.warnings, /there is no broadcaster\.config\.ts .* run `broadcaster init`/)
  })
})

test('migrate makes the tables once', async () => {
  const planned = await broadcaster('migrate', '--dry-run')
  assert.match(planned.output, /^to do /m)
  assert.match(planned.output, /version 0 of \d+; \d+ steps? to do/)
  const done = await broadcaster('migrate', '--lanes', '8')
  assert.match(done.output, /^done /m)
  assert.match(done.output, /with 8 lanes\.$/)
  const again = await broadcaster('migrate', '--json')
  assert.deepEqual(again.json['steps'], [])
  assert.equal(again.json['lanes'], 8)
})

test('migrate --print prints SQL and touches nothing', async () => {
  const printed = await broadcaster('migrate', '--print')
  assert.match(printed.output, /create table/i)
  assert.equal((await broadcaster('stats')).code, 4)
})

test('from publish to published', async () => {
  await broadcaster('migrate')
  const id = await published(
    'order.created',
    '--source',
    '/orders',
    '--data',
    '{"id":12345678901234567890}',
    '--key',
    'k1',
  )
  const pending = await broadcaster('list', '--type', 'order.*')
  assert.match(pending.output, new RegExp(`^${id} +pending +order\\.created +k1 +local +0/13`, 'm'))

  const worked = await broadcaster('worker', '--max-iterations', '1')
  assert.equal(worked.code, 0)
  assert.match(worked.output, /published 1 event in the last /)
  assert.match(worked.warnings, /backend broken is not healthy: out of order/)

  const shown = await broadcaster('show', id, '--json')
  assert.match(shown.output, /12345678901234567890/)
  assert.equal(shown.json['status'], 'published')
  const event = await broadcaster('show', id, '--cloud-event')
  assert.equal(event.json['id'], id)
  assert.equal(event.json['partitionkey'], 'k1')
  assert.match((await broadcaster('show', id)).output, /^status +published$/m)
})

test('publishing the same id twice is one event', async () => {
  await broadcaster('migrate')
  const first = await published('a.b', '--source', '/s', '--id', 'mine')
  const again = await broadcaster('publish', 'a.b', '--source', '/s', '--id', 'mine', '--json')
  assert.deepEqual([again.json['id'], again.json['duplicate']], [first, true])
})

test('publish reads data from a file, from standard input, and a whole CloudEvent', async () => {
  await broadcaster('migrate')
  writeFileSync(join(folder, 'data.json'), '[1,2]')
  const byFile = await published('a.b', '--source', '/s', '--data', '@data.json')
  assert.deepEqual((await broadcaster('show', byFile, '--cloud-event')).json['data'], [1, 2])

  const input = '{"specversion":"1.0","id":"x1","source":"/s","type":"c.d","data":{"a":1}}'
  const terminal = new FakeTerminal(folder, { env: { BROADCASTER_CONFIG: configFile() }, input })
  assert.equal(await runCli(['publish', '--event', '-'], terminal, ''), 0, terminal.warnings)
  const event = await broadcaster('show', terminal.output, '--cloud-event')
  assert.deepEqual([event.json['id'], event.json['type'], event.json['data']], ['x1', 'c.d', { a: 1 }])
})

for (const [args, message] of [
  [['publish', 'a.b'], /--source is missing/],
  [['publish', 'a.b', '--source', '/s', '--data', '{'], /--data is not JSON/],
  [['publish', 'a.b', 'c.d', '--source', '/s'], /takes one type/],
  [['publish', 'a.b', '--source', '/s', '--data', '@nowhere.json'], /nowhere\.json cannot be read/],
  [['publish', 'a.b', '--source', '/s', '--extension', 'x'], /--extension is x; give name=text/],
  [['requeue'], /takes ids, or a filter/],
  [['cancel', 'x', '--type', 'a'], /takes ids, or a filter .*, or --all, one of them/],
  [['cancel', 'x', '--all'], /one of them/],
  [['cancel', '--type', 'a', '--all'], /one of them/],
  [['show'], /takes one id/],
  [['stats', 'surplus'], /stats takes no argument surplus/],
  [['list', '--status', 'faild'], /--status faild is not a status; did you mean "failed"/],
] as const) {
  test(`wrong: ${args.join(' ')}`, async () => {
    const done = await broadcaster(...args)
    assert.equal(done.code, 2, done.warnings)
    assert.match(done.warnings, message)
  })
}

test('a failed event blocks its key until an operator helps', async () => {
  await broadcaster('migrate')
  const bad = await published('a.b', '--source', '/s', '--data', '"fail"', '--key', 'k', '--max-retries', '0')
  const next = await published('a.b', '--source', '/s', '--data', '"fine"', '--key', 'k')
  const worked = await broadcaster('worker', '--max-iterations', '1')
  assert.match(worked.output, /FAILED for good at local; key k waits: .*refused by the handler/)
  assert.match((await broadcaster('show', bad)).output, /^status +failed: later events of its key wait/m)
  assert.match((await broadcaster('stats')).output, /^local +1 +1 +0 +0 +1 +1/m)

  const skipped = await broadcaster('skip', bad, '--json')
  assert.deepEqual(skipped.json, { skipped: [bad], tooLate: [], unknown: [], unchanged: [] })
  await broadcaster('worker', '--max-iterations', '1')
  assert.match((await broadcaster('show', next)).output, /^status +published$/m)

  assert.equal((await broadcaster('requeue', '--status', 'failed', '--dry-run')).output, '1 event would be requeued.')
  const both = ['replay', '--source', '/s', '--dry-run']
  assert.equal(
    (await broadcaster(...both)).output,
    '1 event would be replayed. 1 other would stay: their status forbids it.',
  )
  assert.deepEqual((await broadcaster(...both, '--json')).json, { matches: 1, unchanged: 1, missing: 0 })
  assert.equal((await broadcaster('requeue', '--status', 'failed')).output, '1 event requeued.')
  assert.equal((await broadcaster('cancel', '--all')).output, '1 event cancelled.')
  assert.equal((await broadcaster('replay', next)).output, '1 event replayed.')

  const refused = await broadcaster('replay', bad)
  assert.equal(refused.code, 7)
  assert.match(refused.warnings, new RegExp(`Not replayed, .*${bad}`))
})

test('a list goes on where the last one ended', async () => {
  await broadcaster('migrate')
  const ids: string[] = []
  for (const n of [1, 2, 3]) ids.unshift(await published(`a.${n}`, '--source', '/s'))
  const first = await broadcaster('list', '--limit', '2', '--json')
  const firstIds = (first.json['events'] as { id: string }[]).map(({ id }) => id)
  assert.deepEqual(firstIds, ids.slice(0, 2))
  assert.equal(first.json['next'], ids[1])
  const second = await broadcaster('list', '--limit', '2', '--json', '--after', String(first.json['next']))
  assert.deepEqual(
    (second.json['events'] as { id: string }[]).map(({ id }) => id),
    ids.slice(2),
  )
  assert.equal(second.json['next'], null)
  assert.match((await broadcaster('list', '--limit', '2')).warnings, /There are more: --after/)
  assert.equal((await broadcaster('list', '--search', 'nothing like it')).warnings, 'No events match.')
})

test('health tells every backend and ends with 6 when one is not healthy', async () => {
  await broadcaster('migrate')
  const done = await broadcaster('health')
  assert.equal(done.code, 6)
  assert.match(done.output, /^broken +NOT HEALTHY +out of order$/m)
  assert.match(done.output, /^local +healthy/m)
  const { json, code } = await broadcaster('health', '--json')
  assert.deepEqual([code, json['healthy']], [6, false])
})

test('a worker prints signals as JSON lines, and stops when told to', async () => {
  await broadcaster('migrate')
  const id = await published('a.b', '--source', '/s', '--data', '"fine"')
  const terminal = new FakeTerminal(folder, { env: { BROADCASTER_CONFIG: configFile(), BROADCASTER_VERBOSE: '1' } })
  const ended = runCli(['worker', '--json', '--name', 'w1', '--interval', '50ms'], terminal, '')
  const line = JSON.parse(await terminal.line(/"broadcaster\.event\.published"/)) as Record<string, unknown>
  assert.deepEqual([line['worker'], line['backend'], line['id']], ['w1', 'local', id])
  const stats = await broadcaster('stats')
  assert.match(stats.output, /^Worker w1: \d+ lanes of local, broken; its lease ends in [\d.]+ s unless renewed\.$/m)
  terminal.stop.abort()
  assert.equal(await ended, 0)
  assert.match(terminal.output, /"broadcaster\.worker\.started"/)
  assert.match(terminal.lines.at(-1) ?? '', /"broadcaster\.worker\.stopped"/)
  assert.match((await broadcaster('stats')).output, /No worker is running/)
})

test('a worker that cannot use its database blames the database, and no backend that was closed with it', async () => {
  const name = `${tests}-closed.mjs`
  const file = JSON.stringify(process.env['CLI_TEST_DATABASE'])
  writeFileSync(
    join(folder, name),
    `import { sqlite } from '${root}/src/store/sqlite/sqlite.ts'
const closed = Promise.withResolvers()
const redis = {
  send: async () => [],
  healthCheck: async () => { await closed.promise; throw new Error('The client is closed') },
  close: async () => { closed.resolve(); await new Promise((resolve) => setTimeout(resolve, 20)) },
}
export default { store: sqlite({ path: ${file} }), backends: { redis }, name: ${file} }
`,
  )
  const terminal = new FakeTerminal(folder, { env: { BROADCASTER_CONFIG: name } })
  assert.equal(await runCli(['worker'], terminal, ''), 4)
  assert.match(terminal.warnings, /SCHEMA_MISSING|migrate/)
  assert.doesNotMatch(terminal.warnings, /closed|redis/)
})

test('breaker list and close: of the backend and of what is behind it', async () => {
  await broadcaster('migrate')
  const store = sqlite({ path: String(process.env['CLI_TEST_DATABASE']) })
  assert.equal((await broadcaster('breaker', 'list')).output, 'No breaker is open.')
  const { breakers, destinations } = store.coordination
  await breakers.open('broken', 3_600_000, 'away')
  for (const place of ['a', 'b']) await destinations.open('broken', place, 3_600_000, `${place} is away`)
  const listed = await broadcaster('breaker', 'list')
  assert.match(listed.output, /^broken +[\d.]+ m?s +away$/m)
  assert.match(listed.output, /^broken +b +[\d.]+ m?s +b is away$/m)
  const pending = await published('a.b', '--source', '/s', '--backend', 'broken')
  assert.match((await broadcaster('show', pending)).output, /^waits for +the breaker of broken$/m)
  assert.equal((await broadcaster('breaker', 'close', 'broken', 'a')).output, '1 breaker closed.')
  assert.equal((await broadcaster('breaker', 'close', 'broken', 'a')).output, 'No such breaker is open.')
  assert.deepEqual((await broadcaster('breaker', 'close', 'broken', '--json')).json, { backend: 'broken', closed: 2 })
  assert.equal((await broadcaster('breaker', 'list')).output, 'No breaker is open.')
  for (const args of [[], ['close'], ['list', 'x'], ['close', 'brokn']]) {
    assert.equal((await broadcaster('breaker', ...args)).code, 2, args.join(' '))
  }
  await store.close()
})

test('a backend that nobody configured, and of which there is no event, is told', async () => {
  await broadcaster('migrate')
  const told = /No backend brokn is configured here; did you mean "broken"\?/
  for (const command of ['list', 'requeue', 'skip', 'cancel', 'replay']) {
    for (const more of [[], ['--json'], ...(command === 'list' ? [] : [['--dry-run']])]) {
      const done = await broadcaster(command, '--backend', 'brokn', ...more)
      assert.equal(done.code, 0)
      assert.match(done.warnings, told, [command, ...more].join(' '))
      const known = await broadcaster(command, '--backend', 'broken', ...more)
      assert.doesNotMatch(known.warnings, /is configured/)
    }
  }
  assert.match(
    (await broadcaster('list', '--backend', 'partners')).warnings,
    /No backend partners is configured here; there are local, broken/,
  )
})

test('show and list name the event that a blocked one waits for', async () => {
  await broadcaster('migrate')
  const bad = await published('a.b', '--source', '/s', '--data', '"fail"', '--key', 'k', '--max-retries', '0')
  const next = await published('a.b', '--source', '/s', '--data', '"fine"', '--key', 'k')
  const other = await published('a.b', '--source', '/s', '--data', '"fine"', '--key', 'other', '--delay', '1h')
  await broadcaster('worker', '--max-iterations', '1')
  assert.match((await broadcaster('show', next)).output, new RegExp(`^waits for +${bad}$`, 'm'))
  const { output } = await broadcaster('list')
  assert.match(output, /^ID .* DUE +WAITS FOR +LAST ERROR$/m)
  assert.match(output, new RegExp(`^${next} +pending .* ${bad}`, 'm'))
  assert.match(output, new RegExp(`^${other} +pending .* in (60 min|1 h)`, 'm'))
  await broadcaster('skip', bad)
  assert.doesNotMatch((await broadcaster('show', next)).output, /waits for/)
})

test('a service that only consumes migrates without a backend', async () => {
  const name = 'consumer-only.mjs'
  const store = `sqlite({ path: ${JSON.stringify(join(folder, 'consumer-only.db'))} })`
  writeFileSync(
    join(folder, name),
    `import { sqlite } from '${root}/src/store/sqlite/sqlite.ts'\nexport default { store: ${store} }\n`,
  )
  for (const [command, code] of [
    ['migrate', 0],
    ['stats', 0],
    ['health', 0],
    ['doctor', 0],
    ['worker', 1],
  ] as const) {
    const terminal = new FakeTerminal(folder)
    copyFileSync(join(folder, name), join(folder, `consumer-${command}.mjs`))
    terminal.env['BROADCASTER_CONFIG'] = `consumer-${command}.mjs`
    assert.equal(await runCli([command], terminal, ''), code, terminal.warnings)
    if (code !== 0) assert.match(terminal.warnings, /backends is empty, so a worker has nothing to do/)
  }
})
