import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, test } from 'node:test'
import { root } from '../project/source-files.ts'

/** The command as a real process: signals, exit codes, a reader that goes away. */

const folder = mkdtempSync(join(tmpdir(), 'broadcaster-process-'))
after(() => rmSync(folder, { recursive: true }))
const main = join(root, 'src/cli/main.ts')

// A send that never ends holds up a graceful stop until it is cut short; `sending` tells that it began.
writeFileSync(
  join(folder, 'broadcaster.config.mjs'),
  `
import { sqlite } from '${root}/src/store/sqlite/sqlite.ts'
if (process.env.HELD === 'open') setInterval(() => {}, 1000)
const backend = {
  send: (events, signal) => {
    console.log('sending')
    return new Promise((resolve) => {
      if (process.env.SEND === 'stuck') setInterval(() => {}, 1000)
      else resolve(events.map(() => ({ ok: true })))
    })
  },
  healthCheck: async () => ({ healthy: true }),
  close: async () => { console.log('closed') },
}
export default { store: sqlite({ path: 'o.db' }), backends: { default: backend }, worker: { sendTimeout: 60_000, lease: 60_000 } }
`,
)

// What a tracing SDK does: what it has not sent yet goes out when the process is about to end.
writeFileSync(
  join(folder, 'instrumentation.mjs'),
  `process.once('beforeExit', () => setTimeout(() => console.log('flushed'), 100))`,
)

function run(...args: readonly string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [main, ...args], { cwd: folder, encoding: 'utf8' })
}

/** What a failed test leaves running must not outlive this file. */
const children = new Set<ChildProcess>()
after(() => {
  for (const child of children) child.kill('SIGKILL')
})

function start(env: Readonly<Record<string, string>>, ...args: readonly string[]): ChildProcess {
  const child = spawn(process.execPath, [main, ...args], {
    cwd: folder,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  children.add(child)
  return child
}

/** Resolves with the first line of the process's output that matches. */
async function line(child: ChildProcess, pattern: RegExp): Promise<string> {
  assert.ok(child.stdout)
  for await (const text of createInterface({ input: child.stdout })) if (pattern.test(text)) return text
  throw new Error(`the process ended without a line like ${pattern}`)
}

assert.equal(run('migrate').status, 0)

test('the version, without a warning on standard error', () => {
  const { status, stdout, stderr } = run('--version')
  assert.deepEqual([status, stderr], [0, ''])
  assert.match(stdout, /^\d+\.\d+\.\d+/)
  assert.equal(run('stats').stderr, 'broadcaster: sqlite outbox_events in o.db\n')
  assert.equal(run('stats', '--json').stderr, '')
})

test('a wrong command line ends with 2', () => {
  assert.equal(run('worker', '--bach-size', '3').status, 2)
})

test('a reader that goes away ends it quietly', () => {
  const { status, stderr } = spawnSync('sh', ['-c', `"${process.execPath}" "${main}" --help | head -n 1`], {
    cwd: folder,
    encoding: 'utf8',
  })
  assert.deepEqual([status, stderr], [0, ''])
})

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  test(`${signal} stops a worker gracefully, with 0`, { timeout: 60_000 }, async () => {
    const child = start({}, 'worker')
    const ended = once(child, 'exit')
    await line(child, /worker .* started/)
    child.kill(signal)
    assert.deepEqual(await ended, [0, null])
    assert.match(run('stats').stdout, /No worker is running/)
  })
}

for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const) {
  test(`a second ${signal} ends a worker at once, with ${code}`, { timeout: 60_000 }, async () => {
    assert.equal(run('publish', 'a.b', '--source', '/s').status, 0)
    const child = start({ SEND: 'stuck' }, 'worker', '--name', `stuck-${signal}`)
    const ended = once(child, 'exit')
    await line(child, /^sending$/)
    child.kill(signal)
    const again = setInterval(() => child.kill(signal), 50)
    assert.deepEqual(await ended, [code, null])
    clearInterval(again)
    // Its event and its lanes must not wait for the lease of a minute.
    rmSync(join(folder, 'o.db'))
    for (const rest of ['o.db-wal', 'o.db-shm']) rmSync(join(folder, rest), { force: true })
    assert.equal(run('migrate').status, 0)
  })
}

for (const HELD of ['nothing', 'open'] as const) {
  test(`what waits for beforeExit is told and waited for, with ${HELD} that keeps the process`, () => {
    const imports = ['--import', './instrumentation.mjs']
    for (const [args, code] of [
      [['worker', '--max-iterations', '1'], 0],
      [['stats', '--json'], 0],
      [['show', '--bach-size'], 2],
    ] as const) {
      const { status, stdout, signal } = spawnSync(process.execPath, [...imports, main, ...args], {
        cwd: folder,
        encoding: 'utf8',
        env: { ...process.env, HELD },
        timeout: 60_000,
      })
      assert.deepEqual([status, signal], [code, null])
      assert.equal(stdout.match(/^flushed$/gm)?.length, 1)
    }
  })
}

test('what keeps the process open keeps no command', () => {
  const env = { ...process.env, HELD: 'open' }
  const { status } = spawnSync(process.execPath, [main, 'stats'], { cwd: folder, env, timeout: 60_000 })
  assert.equal(status, 0)
})

test('a disk that is full is told, and is no success', {
  skip: !existsSync('/dev/full') && 'no /dev/full here',
}, () => {
  const full = openSync('/dev/full', 'w')
  const { status, stderr } = spawnSync(process.execPath, ['--conditions=ts-broadcaster-source', main, '--version'], {
    ...{ cwd: folder, encoding: 'utf8', stdio: ['ignore', full, 'pipe'] },
  })
  closeSync(full)
  assert.deepEqual(
    [status, stderr.split(', write')[0]],
    [1, 'broadcaster: what it prints could not be written: ENOSPC: no space left on device'],
  )
})
