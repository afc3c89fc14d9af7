import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { runCli } from '../../src/cli/run.ts'
import { freePort } from '../backend/redis-process.ts'
import { root } from '../project/source-files.ts'
import { valueIn } from '../prometheus/value-in.ts'
import { FakeTerminal } from '../support/fake-terminal.ts'

const folder = mkdtempSync(join(tmpdir(), 'broadcaster-metrics-port-'))
after(() => rmSync(folder, { recursive: true }))

let files = 0

/** A command closes its Broadcaster, so each needs a module of its own. */
function configFile(database: string): string {
  const name = `${++files}.mjs`
  writeFileSync(
    join(folder, name),
    `
import { sqlite } from '${root}/src/store/sqlite/sqlite.ts'
const backend = {
  send: async (events) => events.map(() => ({ ok: true })),
  healthCheck: async () => ({ healthy: true }),
  close: async () => undefined,
}
export default { store: sqlite({ path: '${join(folder, database)}' }), backends: { default: backend } }
`,
  )
  return name
}

/** A worker on an empty outbox of its own. */
async function start(...args: readonly string[]) {
  const database = `${++files}.db`
  const terminal = () => new FakeTerminal(folder, { env: { BROADCASTER_CONFIG: configFile(database) } })
  assert.equal(await runCli(['migrate'], terminal(), '0'), 0)
  const watched = terminal()
  return { terminal: watched, ended: runCli(['worker', ...args], watched, '0') }
}

function addressIn(terminal: FakeTerminal, what: 'health' | 'metrics'): string {
  const [, url] = new RegExp(`${what} at (http://[^/\\s]+)/`).exec(terminal.notes.join('\n')) ?? []
  assert.ok(url, terminal.notes.join('\n'))
  return url
}

test('a worker tells its metrics at a port of this host, and closes it at the end', { timeout: 60_000 }, async () => {
  const { terminal, ended } = await start('--metrics-port', '0')
  await terminal.line(/started for default/)
  const at = addressIn(terminal, 'metrics')
  assert.match(at, /^http:\/\/127\.0\.0\.1:\d+$/)
  const answer = await fetch(`${at}/metrics`)
  assert.deepEqual(
    [answer.status, answer.headers.get('content-type')],
    [200, 'text/plain; version=0.0.4; charset=utf-8'],
  )
  const text = await answer.text()
  assert.equal(valueIn(text, 'broadcaster_store_up'), 1)
  assert.equal(valueIn(text, 'broadcaster_workers_running'), 1)
  assert.equal((await fetch(`${at}/livez`)).status, 404)
  terminal.stop.abort('SIGTERM')
  assert.equal(await ended, 0)
  await assert.rejects(fetch(`${at}/metrics`))
})

test('the port of health and the port of metrics may be one', { timeout: 60_000 }, async () => {
  const port = String(await freePort())
  const { terminal, ended } = await start('--metrics-port', port, '--health-port', port)
  await terminal.line(/started for default/)
  const at = addressIn(terminal, 'health')
  assert.equal(addressIn(terminal, 'metrics'), at)
  for (const path of ['/livez', '/readyz', '/metrics']) assert.equal((await fetch(at + path)).status, 200, path)
  assert.equal((await fetch(`${at}/`)).status, 404)
  terminal.stop.abort('SIGTERM')
  assert.equal(await ended, 0)
})

test('a metrics port that is taken ends the command, and the health port is closed', { timeout: 60_000 }, async (t) => {
  const taken = createServer().listen(0, '127.0.0.1')
  t.after(() => taken.close())
  await once(taken, 'listening')
  const address = taken.address()
  assert.ok(address !== null && typeof address === 'object')
  const health = await freePort()
  const { terminal, ended } = await start('--health-port', String(health), '--metrics-port', String(address.port))
  assert.equal(await ended, 1)
  assert.match(terminal.warnings, /metrics port \d+ of 127\.0\.0\.1 cannot be opened: .*EADDRINUSE.*--metrics-port/)
  await assert.rejects(fetch(`http://127.0.0.1:${health}/livez`))
})

test('a host without its port, and details of a health that nobody can ask for, are refused', async () => {
  for (const [args, says] of [
    [['--metrics-host', '0.0.0.0'], /--metrics-host needs --metrics-port.*BROADCASTER_METRICS_PORT/],
    [['--health-host', '0.0.0.0', '--metrics-port', '0'], /--health-host needs --health-port/],
    [['--health-details'], /--health-details needs --health-port/],
  ] as const) {
    const { terminal, ended } = await start(...args)
    terminal.stop.abort('SIGTERM')
    assert.equal(await ended, 2, args.join(' '))
    assert.match(terminal.warnings, says)
  }
})

test('one port at two hosts that exclude each other is refused with what it needs', { timeout: 60_000 }, async () => {
  const port = String(await freePort())
  const { terminal, ended } = await start('--health-port', port, '--health-host', '0.0.0.0', '--metrics-port', port)
  assert.equal(await ended, 1)
  assert.match(
    terminal.warnings,
    /metrics port \d+ of 127\.0\.0\.1 .*EADDRINUSE.*; health has it at 0\.0\.0\.0, and two that share a port need the same host/,
  )
})
