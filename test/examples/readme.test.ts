import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { Client } from 'pg'
import { root } from '../project/source-files.ts'
import { requireServer } from '../support/servers.ts'

/** The blocks of the README that begin with the name of a file. */
function filesOf(readme: string): ReadonlyMap<string, string> {
  const blocks = readme.matchAll(/^```ts[^\n]*\n(\/\/ (\S+\.ts)\n[\s\S]*?)^```$/gm)
  return new Map(Array.from(blocks, ([, code = '', name = '']) => [name, code]))
}

test('PostgreSQL and Redis: the block of the README runs after its own init and migrate', async (t) => {
  const postgres = requireServer(t, 'postgres')
  if (!postgres) return
  const readme = readFileSync(join(root, 'README.md'), 'utf8')
  const [, code] = /^## PostgreSQL and Redis$[\s\S]*?^```ts\n([\s\S]*?)^```$/m.exec(readme) ?? []
  assert.ok(code)
  const name = `broadcaster_readme_${process.pid}`
  const admin = new Client({ connectionString: postgres.url })
  await admin.connect()
  await admin.query(`CREATE DATABASE ${name}`)
  const folder = mkdtempSync(join(tmpdir(), 'broadcaster-readme-'))
  t.after(async () => {
    rmSync(folder, { recursive: true })
    await admin.query(`DROP DATABASE ${name} WITH (FORCE)`)
    await admin.end()
  })
  // As `npm init` of npm 11 writes it.
  writeFileSync(join(folder, 'package.json'), '{ "type": "commonjs", "dependencies": { "pg": "8", "redis": "6" } }')
  mkdirSync(join(folder, 'node_modules'))
  symlinkSync(root, join(folder, 'node_modules/ts-broadcaster'))
  for (const other of ['pg', 'redis']) {
    symlinkSync(join(root, 'node_modules', other), join(folder, 'node_modules', other))
  }
  writeFileSync(join(folder, 'order.mts'), code)
  const url = new URL(postgres.url)
  url.pathname = `/${name}`
  const env = { ...process.env, DATABASE_URL: url.href, REDIS_URL: 'redis://127.0.0.1:1' }
  const flags = ['--conditions=ts-broadcaster-source', '--disable-warning=ExperimentalWarning']
  const run = (...args: readonly string[]): string =>
    execFileSync(process.execPath, [...flags, ...args], { cwd: folder, encoding: 'utf8', timeout: 240_000, env })
  const broadcaster = (...args: readonly string[]): string => run(join(root, 'src/cli/main.ts'), ...args)

  assert.match(broadcaster('init'), /broadcaster\.config\.mts/)
  broadcaster('migrate')
  for (const _ of ['pasted', 'and run again']) assert.equal(run('order.mts'), '')
  // Two orders, each to two backends, twice.
  const look = new Client({ connectionString: url.href })
  await look.connect()
  const { rows } = await look.query('SELECT count(*)::int AS n FROM outbox.outbox_events')
  await look.end()
  assert.deepEqual(rows, [{ n: 8 }])
})

test('the first minute of the README, in an empty folder', (t) => {
  const files = filesOf(readFileSync(join(root, 'README.md'), 'utf8'))
  assert.deepEqual([...files.keys()], ['broadcaster.config.ts', 'shop.ts'])
  const folder = mkdtempSync(join(tmpdir(), 'broadcaster-readme-'))
  t.after(() => rmSync(folder, { recursive: true }))
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  mkdirSync(join(folder, 'node_modules'))
  symlinkSync(root, join(folder, 'node_modules/ts-broadcaster'))
  for (const [name, code] of files) writeFileSync(join(folder, name), code)

  const run = (...args: readonly string[]): string =>
    execFileSync(
      process.execPath,
      ['--conditions=ts-broadcaster-source', '--disable-warning=ExperimentalWarning', ...args],
      { cwd: folder, encoding: 'utf8', timeout: 240_000 },
    )
  const broadcaster = (...args: readonly string[]): string => run(join(root, 'src/cli/main.ts'), ...args)

  assert.match(broadcaster('migrate'), /the latest, with 64 lanes/)
  assert.equal(run('shop.ts'), '')
  // One pass instead of for ever, so that the test ends.
  assert.match(broadcaster('worker', '--max-iterations', '1'), /delivered order\.placed \{ id: 'a', total: 12 \}/)
  assert.match(broadcaster('list', '--status', 'published'), /order\.placed/)
})
