import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { skipWithoutPrograms, startPostgres } from '../faults/database-process.ts'
import { root } from '../project/source-files.ts'
import { requireServer, servers } from '../support/servers.ts'

/** The block of the README that makes a pool of `pg`, word for word. */
function poolBlock(): string {
  const readme = readFileSync(join(root, 'README.md'), 'utf8')
  const blocks = Array.from(readme.matchAll(/^```ts\n([\s\S]*?)^```$/gm), ([, code = '']) => code)
  const found = blocks.find((code) => code.includes('new Pool('))
  assert.ok(found, 'the README makes a pool')
  return found
}

/** Idle connections are what a restart ends; then the same code runs again. */
const AFTER = `
process.stdin.setEncoding('utf8')
for await (const line of process.stdin) {
  if (line.trim() === 'end') break
  const stored = await broadcaster.transaction((tx) => broadcaster.publish(tx, { type: 'order.placed', source: '/shop' }))
  console.log('stored', stored.id)
}
await broadcaster.close()
await pool.end()
console.log('ended')
`

test('the code of the README lives on when PostgreSQL is restarted beneath it', async (t) => {
  const skip = skipWithoutPrograms('postgres')
  if (skip !== false) {
    t.skip(skip)
    return
  }
  if (!requireServer(t, 'redis')) return
  const server = await startPostgres([])
  const bin = dirname(readlinkSync(`/proc/${server.pid}/exe`))
  const { uid, gid } = statSync(server.folder)
  const control = (...args: readonly string[]): void => {
    execFileSync(join(bin, 'pg_ctl'), ['-D', join(server.folder, 'data'), ...args], {
      ...(process.getuid?.() === 0 && { uid, gid }),
      cwd: server.folder,
      stdio: 'ignore',
    })
  }
  const url = `postgres://postgres@127.0.0.1:${server.port}/postgres`
  const folder = mkdtempSync(join(tmpdir(), 'broadcaster-restart-'))
  t.after(async () => {
    rmSync(folder, { recursive: true })
    try {
      control('-m', 'immediate', 'stop')
    } finally {
      await server.close()
    }
  })
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  mkdirSync(join(folder, 'node_modules'))
  symlinkSync(root, join(folder, 'node_modules/ts-broadcaster'))
  symlinkSync(join(root, 'node_modules/pg'), join(folder, 'node_modules/pg'))
  const block = poolBlock()
    .replace('// In your own', 'await broadcaster.store.schema.migrate()\n\n// In your own')
    // It goes on, and ends when it is told to.
    .replace(/await broadcaster\.close\(\)\nawait pool\.end\(\)\n$/, '')
  writeFileSync(join(folder, 'shop.ts'), block + AFTER)
  const env = { ...process.env, DATABASE_URL: url, REDIS_URL: servers.redis()?.url, NODE_OPTIONS: '' }
  const flags = ['--conditions=ts-broadcaster-source', '--disable-warning=ExperimentalWarning']
  const shop = spawn(process.execPath, [...flags, 'shop.ts'], { cwd: folder, env, stdio: ['pipe', 'pipe', 'inherit'] })
  t.after(() => shop.kill('SIGKILL'))
  const ended = once(shop, 'exit')
  const lines = createInterface({ input: shop.stdout })[Symbol.asyncIterator]()
  const next = async (): Promise<string> => String((await lines.next()).value)

  shop.stdin.write('publish\n')
  assert.match(await next(), /^stored /)
  for (let restarts = 0; restarts < 3; restarts++) {
    control('-w', '-m', 'fast', 'restart', '-l', join(server.folder, 'restarted.log'))
    shop.stdin.write('publish\n')
    assert.match(await next(), /^stored /, `after ${restarts + 1} restarts`)
  }
  shop.stdin.write('end\n')
  assert.equal(await next(), 'ended')
  assert.deepEqual(await ended, [0, null])
})
