import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { runCli } from '../../src/cli/run.ts'
import { root } from '../project/source-files.ts'
import { FakeTerminal } from '../support/fake-terminal.ts'

const folder = mkdtempSync(join(tmpdir(), 'broadcaster-health-port-'))
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

function addressIn(terminal: FakeTerminal): string {
  const [, url] = /health at (http:\/\/\S+)\/livez/.exec(terminal.notes.join('\n')) ?? []
  assert.ok(url, terminal.notes.join('\n'))
  return url
}

test('a worker tells its health at a port, without details, and closes it at the end', {
  timeout: 60_000,
}, async () => {
  const { terminal, ended } = await start('--health-port', '0')
  await terminal.line(/started for default/)
  const at = addressIn(terminal)
  assert.match(at, /^http:\/\/127\.0\.0\.1:\d+$/)
  const healthz = await fetch(`${at}/healthz`)
  assert.deepEqual([healthz.status, await healthz.json()], [200, { status: 'ok', live: true, ready: true }])
  terminal.stop.abort('SIGTERM')
  assert.equal(await ended, 0)
  await assert.rejects(fetch(`${at}/livez`))
})

test('with --health-details it names what was looked at', { timeout: 60_000 }, async () => {
  const { terminal, ended } = await start(
    '--health-port',
    '0',
    '--health-host',
    '::1',
    '--health-details',
    '--name',
    'w',
  )
  await terminal.line(/started for default/)
  const readyz = await fetch(`${addressIn(terminal)}/readyz`)
  const { checks } = (await readyz.json()) as { checks: readonly { kind: string; name: string }[] }
  assert.deepEqual(
    checks.map(({ kind }) => kind),
    ['database', 'backend', 'worker'],
  )
  assert.equal(checks.at(-1)?.name, 'w')
  terminal.stop.abort('SIGTERM')
  assert.equal(await ended, 0)
})

test('a port that is taken ends the command, before anything is sent', { timeout: 60_000 }, async (t) => {
  const taken = createServer().listen(0, '127.0.0.1')
  t.after(() => taken.close())
  await once(taken, 'listening')
  const address = taken.address()
  assert.ok(address !== null && typeof address === 'object')
  const { terminal, ended } = await start('--health-port', String(address.port))
  assert.equal(await ended, 1)
  assert.match(terminal.warnings, /health port \d+ of 127\.0\.0\.1 cannot be opened: .*EADDRINUSE.*--health-port/)
})
