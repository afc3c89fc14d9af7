import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, type TestContext, test } from 'node:test'
import { Client } from 'pg'
import { bin, packInto, runIn } from '../support/packed-package.ts'
import { requireServer } from '../support/servers.ts'

/**
 * The packed tarball as a newcomer installs it, in projects of every kind, each of which publishes on PostgreSQL and
 * delivers. The tools come from npm, which keeps them in its cache; without a way to npm the tests are left out, unless
 * `BROADCASTER_REQUIRE_SERVERS=1` says that nothing may be.
 */

const TOOLS = ['jest@30', 'vitest@5', 'tsx@4', 'pg@8', '@types/pg@8', '@types/node@24', 'bun@1', 'deno@2']

const folder = mkdtempSync(join(tmpdir(), 'broadcaster-paths-'))
const schema = `broadcaster_paths_${randomBytes(6).toString('hex')}`
let unreachable: string | undefined
let schemas = 0

/** What each project does; prints `published 1 handled 1`. */
const BODY = `
  const pool = new pg.Pool({ connectionString: process.env['DATABASE_URL'], max: 4 })
  const local = handlers()
  let handled = 0
  local.registry.on('*', () => { handled++ }, { name: 'count' })
  const broadcaster = new Broadcaster({ store: postgres({ pool, schema: process.env['OUTBOX'] ?? '' }), backends: { local } })
  await broadcaster.store.schema.migrate()
  await broadcaster.transaction(async (tx) => {
    await broadcaster.publish(tx, { type: 'order.placed', source: '/shop', data: { id: 1 } })
  })
  const published = await broadcaster.processPendingEvents()
  await broadcaster.close()
  await pool.end()
`
const IMPORTS = `import pg from 'pg'
import { Broadcaster } from 'ts-broadcaster'
import { handlers } from 'ts-broadcaster/handlers'
import { postgres } from 'ts-broadcaster/postgres'
`
const REQUIRES = `const pg = require('pg')
const { Broadcaster } = require('ts-broadcaster')
const { handlers } = require('ts-broadcaster/handlers')
const { postgres } = require('ts-broadcaster/postgres')
`
const SAY = "console.log('published', published, 'handled', handled)\n"
const MAIN = `async function main(): Promise<void> {${BODY}  ${SAY}}\nvoid main()\n`

/** A project in a folder of its own; what it imports stands in the folder above. */
function project(name: string, manifest: object, files: Readonly<Record<string, string>>): string {
  const path = join(folder, name)
  mkdirSync(path)
  writeFileSync(join(path, 'package.json'), JSON.stringify(manifest))
  for (const [file, text] of Object.entries(files)) writeFileSync(join(path, file), text)
  return path
}

/** A program that npm installed. */
const tool = (name: string): string => join(folder, 'node_modules/.bin', name)

/** The native program of a package that ships it as an optional dependency; the scripts that would link it do not run. */
function native(scope: string, name: string): string {
  const find = (path: string): string | undefined => {
    for (const entry of readdirSync(path)) {
      const inner = join(path, entry)
      if (statSync(inner).isDirectory()) {
        const found = find(inner)
        if (found !== undefined) return found
      } else if (entry === name) return inner
    }
    return undefined
  }
  const found = find(join(folder, 'node_modules', scope))
  assert.ok(found, `${scope} holds no ${name} for this machine`)
  return found
}

describe('a project that installs the packed tarball publishes on PostgreSQL and delivers', () => {
  before(() => {
    mkdirSync(join(folder, 'stage'))
    const tarball = packInto(join(folder, 'stage'))
    writeFileSync(join(folder, 'package.json'), '{ "private": true }')
    const flags = ['--no-audit', '--no-fund', '--prefer-offline', '--ignore-scripts', '--loglevel=error']
    const { status, stderr } = spawnSync('npm', ['install', ...flags, tarball, ...TOOLS], {
      cwd: folder,
      encoding: 'utf8',
    })
    if (status !== 0) unreachable = `npm could not install the tools: ${stderr.trim().split('\n')[0]}`
  })
  after(() => rmSync(folder, { recursive: true, force: true }))

  /** Runs `work` with an outbox of its own. */
  const path = (title: string, work: (env: Readonly<Record<string, string>>) => string): void => {
    test(title, async (t: TestContext) => {
      const server = requireServer(t, 'postgres')
      if (!server) return
      if (unreachable !== undefined) {
        if (process.env['BROADCASTER_REQUIRE_SERVERS'] === '1') throw new Error(unreachable)
        t.skip(unreachable)
        return
      }
      const outbox = `${schema}_${++schemas}`
      try {
        assert.match(work({ DATABASE_URL: server.url, OUTBOX: outbox }), /published 1 handled 1|passed|pass 1/)
      } finally {
        const client = new Client({ connectionString: server.url })
        await client.connect()
        await client.query(`SET client_min_messages = warning; DROP SCHEMA IF EXISTS ${outbox} CASCADE`)
        await client.end()
      }
    })
  }

  path('Node.js, TypeScript as it is', (env) => {
    const cwd = project('node', { type: 'module' }, { 'publish.ts': IMPORTS + BODY + SAY })
    return runIn({ cwd, env }, process.execPath, 'publish.ts')
  })

  path('CommonJS with require', (env) => {
    const text = `${REQUIRES}async function main() {${BODY}  ${SAY}}\nmain()\n`
    const cwd = project('commonjs', { type: 'commonjs' }, { 'publish.js': text })
    return runIn({ cwd, env }, process.execPath, 'publish.js')
  })

  for (const [title, module] of [
    ['TypeScript to CommonJS, module nodenext', 'nodenext'],
    ['TypeScript to CommonJS, module node20', 'node20'],
  ] as const) {
    path(title, (env) => {
      const cwd = project(`ts-${module}`, { type: 'commonjs' }, { 'publish.ts': IMPORTS + MAIN })
      runIn(cwd, bin('tsc'), '--strict', '--module', module, '--target', 'es2022', '--types', 'node', 'publish.ts')
      return runIn({ cwd, env }, process.execPath, 'publish.js')
    })
  }

  path('TypeScript to CommonJS, module node16: with import(), which the page tells', (env) => {
    const dynamic = IMPORTS.replace("import pg from 'pg'\n", '').replaceAll(
      /import (.*) from (.*)\n/g,
      'const $1 = await import($2)\n',
    )
    const text = `import pg = require('pg')\nasync function main(): Promise<void> {\n${dynamic}${BODY}  ${SAY}}\nvoid main()\n`
    const cwd = project('ts-node16', { type: 'commonjs' }, { 'publish.ts': text, 'static.ts': IMPORTS + MAIN })
    const flags = ['--strict', '--module', 'node16', '--target', 'es2022', '--types', 'node']
    assert.throws(() => runIn(cwd, bin('tsc'), ...flags, '--noEmit', 'static.ts'), /TS1479/)
    runIn(cwd, bin('tsc'), ...flags, 'publish.ts')
    return runIn({ cwd, env }, process.execPath, 'publish.js')
  })

  path('TypeScript to modules, module nodenext', (env) => {
    const cwd = project('ts-esm', { type: 'module' }, { 'publish.ts': IMPORTS + BODY + SAY })
    runIn(cwd, bin('tsc'), '--strict', '--module', 'nodenext', '--target', 'es2022', '--types', 'node', 'publish.ts')
    rmSync(join(cwd, 'publish.ts'))
    return runIn({ cwd, env }, process.execPath, 'publish.js')
  })

  path('tsx', (env) => {
    const cwd = project('tsx', { type: 'module' }, { 'publish.ts': IMPORTS + BODY + SAY })
    return runIn({ cwd, env }, tool('tsx'), 'publish.ts')
  })

  path('tsx in a CommonJS project', (env) => {
    const cwd = project('tsx-commonjs', { type: 'commonjs' }, { 'publish.ts': IMPORTS + MAIN })
    return runIn({ cwd, env }, tool('tsx'), 'publish.ts')
  })

  path('Vitest', (env) => {
    const text = `import { expect, test } from 'vitest'\n${IMPORTS}test('publishes', async () => {${BODY}
  expect([published, handled]).toEqual([1, 1])\n}, 60_000)\n`
    const cwd = project('vitest', { type: 'module' }, { 'publish.test.ts': text })
    return runIn({ cwd, env: { ...env, NO_COLOR: '1' } }, tool('vitest'), 'run', '--root', '.')
  })

  const JEST = [
    "test('publishes', async () => {",
    BODY,
    '  expect([published, handled]).toEqual([1, 1])',
    '}, 60_000)\n',
  ]

  for (const [title, type, imports] of [
    ['Jest, tests that import', 'module', IMPORTS],
    ['Jest, tests that require', 'commonjs', REQUIRES],
  ] as const) {
    path(`${title}: with the flag that the page tells`, (env) => {
      const cwd = project(`jest-${type}`, { type }, { 'publish.test.js': [imports, ...JEST].join('\n') })
      const flag = { NODE_OPTIONS: '--experimental-vm-modules --no-warnings' }
      // The result is on standard error; it ends with 0 only when the test passed.
      return `${runIn({ cwd, env: { ...env, ...flag } }, process.execPath, tool('jest'), '--rootDir', '.')}passed`
    })
  }

  path('Bun', (env) => {
    const cwd = project('bun', { type: 'module' }, { 'publish.ts': IMPORTS + BODY + SAY })
    return runIn({ cwd, env }, native('@oven', 'bun'), 'publish.ts')
  })

  path('Deno', (env) => {
    const cwd = project('deno', { type: 'module' }, { 'publish.ts': IMPORTS + BODY + SAY })
    const flags = ['run', '--allow-all', '--no-lock', '--node-modules-dir=manual']
    return runIn({ cwd, env: { ...env, DENO_NO_UPDATE_CHECK: '1' } }, native('@deno', 'deno'), ...flags, 'publish.ts')
  })
})
