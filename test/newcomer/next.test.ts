import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { openChromium, skipWithoutChromium } from '../support/chromium.ts'
import { packInto, runIn } from '../support/packed-package.ts'
import { Walk } from '../ui/walk.ts'

/**
 * The packed tarball in a real Next application, built and started as in production: a bundler moves code about, and its
 * router redirects. Next comes from npm, which keeps it in its cache; without a way to npm the tests are left out,
 * unless `BROADCASTER_REQUIRE_SERVERS=1` says that nothing may be.
 */

const TOOLS = ['next@16', 'react@19', 'react-dom@19']
const TOKEN = 'admin-0123456789abcdef'

const ROUTE = `import { Broadcaster } from 'ts-broadcaster'
import { adminHandler } from 'ts-broadcaster/admin'
import { memoryBackend, memoryStore } from 'ts-broadcaster/memory'

const store = memoryStore()
await store.schema.migrate()
const broadcaster = new Broadcaster({ name: 'shop', store, backends: { default: memoryBackend() }, logger: false })
await broadcaster.events.create({ type: 'order.created', source: '/orders' })
const admin = adminHandler(broadcaster, { token: [{ token: '${TOKEN}', user: 'anna', role: 'admin' }] })
export { admin as GET, admin as POST }
`
/** As docs/admin.md has it. */
const CONFIG = `export default { serverExternalPackages: ['ts-broadcaster'] }\n`

const folder = mkdtempSync(join(tmpdir(), 'broadcaster-next-'))
const next = join(folder, 'node_modules/next/dist/bin/next')
const env = { NEXT_TELEMETRY_DISABLED: '1', NODE_ENV: 'production' }
let unreachable: string | undefined

const build = (): string => runIn({ cwd: folder, env }, process.execPath, next, 'build')

/** Starts the built application on a free port; resolves with its address. */
async function start(): Promise<{ readonly url: string; readonly child: ChildProcess }> {
  const child = spawn(process.execPath, [next, 'start', '--hostname', '127.0.0.1', '--port', '0'], {
    cwd: folder,
    env: { ...process.env, ...env, NODE_OPTIONS: '' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let said = ''
  for await (const some of child.stdout) {
    said += some
    const url = /http:\/\/127\.0\.0\.1:\d+/.exec(said)?.[0]
    if (url !== undefined && said.includes('Ready')) return { url, child }
  }
  throw new Error(`Next did not start:\n${said}`)
}

describe('the admin in a Next application', { skip: skipWithoutChromium(), concurrency: false }, () => {
  before(() => {
    mkdirSync(join(folder, 'stage'))
    const tarball = packInto(join(folder, 'stage'))
    const route = join(folder, 'app/ops/outbox/[[...path]]')
    mkdirSync(route, { recursive: true })
    writeFileSync(join(route, 'route.js'), ROUTE)
    writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }')
    const flags = ['--no-audit', '--no-fund', '--prefer-offline', '--ignore-scripts', '--loglevel=error']
    const { status, stderr } = spawnSync('npm', ['install', ...flags, tarball, ...TOOLS], {
      cwd: folder,
      encoding: 'utf8',
    })
    if (status === 0) return
    unreachable = `npm could not install Next: ${stderr.trim().split('\n')[0]}`
    if (process.env['BROADCASTER_REQUIRE_SERVERS'] === '1') throw new Error(unreachable)
  })
  after(() => rmSync(folder, { recursive: true, force: true }))

  test('is refused within a bundle, and says how to leave it out', (t) => {
    if (unreachable !== undefined) return t.skip(unreachable)
    assert.throws(build, /serverExternalPackages: \["ts-broadcaster"\]/)
  })

  test('shows its pages at the path without a slash, where Next sends everybody, and acts', async (t) => {
    if (unreachable !== undefined) return t.skip(unreachable)
    writeFileSync(join(folder, 'next.config.js'), CONFIG)
    build()
    const { url, child } = await start()
    const browser = await openChromium()
    t.after(async () => {
      await browser.close()
      const ended = once(child, 'exit')
      child.kill()
      await ended
    })
    const walk = await Walk.start(browser, `${url}/ops/outbox/`, TOKEN)
    await walk.page.goto(`${url}/ops/outbox`)
    await walk.page.getByRole('link', { name: 'Events', exact: true }).first().click()
    await walk.heading(/^Events$/)
    assert.equal(new URL(walk.page.url()).pathname, '/ops/outbox/events')
    await walk.page.getByText('order.created').first().click()
    await walk.page
      .getByRole('button', { name: /^Cancel/ })
      .first()
      .waitFor()
    const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' }
    const api = `${url}/ops/outbox/api`
    const listed = (await (await fetch(`${api}/events`, { headers })).json()) as { events: { id: string }[] }
    const body = JSON.stringify({ ids: listed.events.map(({ id }) => id), reason: 'a test' })
    const cancelled = await fetch(`${api}/actions/cancel`, { method: 'POST', headers, body })
    assert.equal(cancelled.status, 200, await cancelled.text())
    walk.isQuiet()
    await walk.close()
  })
})
