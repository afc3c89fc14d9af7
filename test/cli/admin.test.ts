import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { runCli } from '../../src/cli/run.ts'
import { root } from '../project/source-files.ts'
import { FakeTerminal } from '../support/fake-terminal.ts'

const folder = mkdtempSync(join(tmpdir(), 'broadcaster-admin-'))
after(() => rmSync(folder, { recursive: true }))

let files = 0

/** A terminal on an outbox of its own. */
async function terminalOn(env: Readonly<Record<string, string>> = {}): Promise<FakeTerminal> {
  const database = join(folder, `${++files}.db`)
  // A command closes its Broadcaster, so each needs a module of its own.
  const configFile = (): string => {
    const name = `${++files}.mjs`
    const store = `import { sqlite } from '${root}/src/store/sqlite/sqlite.ts'`
    writeFileSync(
      join(folder, name),
      `${store}\nexport default { name: 'shop', store: sqlite({ path: '${database}' }), backends: {} }\n`,
    )
    return name
  }
  const config = () => ({ BROADCASTER_CONFIG: configFile() })
  assert.equal(await runCli(['migrate'], new FakeTerminal(folder, { env: config() }), '0'), 0)
  return new FakeTerminal(folder, { env: { ...config(), ...env } })
}

async function addressIn(terminal: FakeTerminal): Promise<string> {
  for (;;) {
    const [, url] = /admin at (\S+)/.exec(terminal.lines.join('\n')) ?? []
    if (url !== undefined) return url
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

test('on this machine a token is made and printed once; a signal ends it', async () => {
  const terminal = await terminalOn()
  const ended = runCli(['admin', '--port', '0'], terminal, '0')
  const url = await addressIn(terminal)
  assert.match(url, /^http:\/\/127\.0\.0\.1:\d+\/$/)
  const printed = terminal.lines.join('\n')
  const token = /token of this run: ([\w-]{32})$/.exec(printed)?.[1] ?? ''
  assert.equal(printed.split(token).length, 2)
  const status = (headers: Record<string, string>) => fetch(`${url}api/status`, { headers })
  assert.equal((await status({})).status, 401)
  const answer = await status({ authorization: `Bearer ${token}` })
  assert.equal(((await answer.json()) as { readonly outbox: string }).outbox, 'shop')
  terminal.stop.abort()
  assert.equal(await ended, 0)
})

test('a token that was given is not printed', async () => {
  const token = 'from-the-environment-1'
  const terminal = await terminalOn({ BROADCASTER_ADMIN_TOKEN: token })
  const ended = runCli(['admin', '--port', '0'], terminal, '0')
  const url = await addressIn(terminal)
  const answer = await fetch(`${url}api/status`, { headers: { authorization: `Bearer ${token}` } })
  assert.equal(answer.status, 200)
  terminal.stop.abort()
  assert.equal(await ended, 0)
  assert.doesNotMatch([...terminal.lines, ...terminal.notes].join('\n'), /from-the-environment|token of this run/)
})

for (const [name, args, says] of [
  ['a public address without a token', ['--host', '0.0.0.0'], /others can reach it, so a token is needed/],
  ['a file that is not there', ['--token-file', 'none'], /--token-file cannot be read/],
  ['an address that is not ours', ['--host', '192.0.2.1', '--token-file', 'good'], /cannot be opened.*give another/],
  ['a token that is short', ['--token-file', 'short'], /token .*16 to 200 characters/],
] as const) {
  test(name, async () => {
    writeFileSync(join(folder, 'short'), 'short\n')
    writeFileSync(join(folder, 'good'), 'good-token-0123456789\n')
    const terminal = await terminalOn()
    assert.notEqual(await runCli(['admin', ...args], terminal, '0'), 0)
    assert.match(terminal.notes.join('\n'), says)
  })
}

test('--openapi prints the document of the API, without a configuration', async () => {
  const terminal = new FakeTerminal(folder)
  assert.equal(await runCli(['admin', '--openapi'], terminal, '0'), 0)
  const { openapi, paths } = terminal.json
  assert.match(String(openapi), /^3\.1\./)
  assert.ok(Object.hasOwn(paths as object, '/actions/requeue'))
})
