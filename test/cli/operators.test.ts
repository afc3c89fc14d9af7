import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { runCli } from '../../src/cli/run.ts'
import { root } from '../project/source-files.ts'
import { FakeTerminal } from '../support/fake-terminal.ts'

const folder = mkdtempSync(join(tmpdir(), 'broadcaster-operators-'))
after(() => rmSync(folder, { recursive: true }))

let copies = 0
/** Each run reads a file of its own: what a file made is closed when its command has ended. */
async function run(...args: readonly string[]): Promise<FakeTerminal & { readonly code: number }> {
  const config = `${++copies}.mjs`
  writeFileSync(
    join(folder, config),
    `import { sqlite } from '${root}/src/store/sqlite/sqlite.ts'
import { memoryBackend } from '${root}/src/backend/memory/memory-backend.ts'
export default { store: sqlite({ path: ${JSON.stringify(join(folder, 'outbox.db'))} }), backends: { main: memoryBackend(), other: memoryBackend() } }\n`,
  )
  const terminal = new FakeTerminal(folder, { env: { BROADCASTER_CONFIG: config } })
  return Object.assign(terminal, { code: await runCli(args, terminal, '1.2.3') })
}

test('a pause is told where people look, and who did what is in the audit', async () => {
  const migrated = await run('migrate')
  assert.equal(migrated.code, 0, migrated.warnings)
  const { output: id } = await run('publish', 'order.placed', '--source', '/shop')
  const paused = await run('pause', 'main', '--by', 'ann', '--reason', 'their window')
  assert.equal(paused.code, 0, paused.warnings)
  assert.match(paused.output, /^main is paused\.$/m)
  assert.match((await run('pause', 'main')).output, /^main was paused already; nothing was changed\.$/m)
  assert.match((await run('stats')).output, /^main was paused by ann .* ago: their window$/m)
  assert.match((await run('list')).output, new RegExp(`^${id} .* main, which is paused`, 'm'))
  assert.match((await run('doctor')).output, /^advice {2}main was paused by ann/m)
  assert.match((await run('pause', 'mian')).warnings, /there is no backend mian here.*main/)
  assert.equal((await run('pause')).code, 2)
  assert.match((await run('resume', 'main', '--by', 'ann', '--json')).output, /"resumed":true/)
  const { output } = await run('audit', '--who', 'ann')
  assert.match(output, /ann +resume +main +done, 1 changed/)
  assert.match(output, /ann +pause +main +done, 1 changed +their window/)
})

test('an operation is begun, looked at, paused and cancelled', async () => {
  const began = await run('cancel', '--type', 'order.*', '--in-background', '--rate', '10', '--by', 'ann', '--json')
  const { operation, matched } = JSON.parse(began.output)
  assert.equal(matched, 1)
  assert.match((await run('operations', 'list')).output, new RegExp(`^${operation} +cancel +running +0 of 1`, 'm'))
  assert.match((await run('operations', 'pause', `${operation}`)).output, /is paused\.$/m)
  assert.match((await run('operations', 'cancel', `${operation}`)).output, /is cancelled\.$/m)
  assert.match((await run('operations', 'resume', `${operation}`)).output, /is cancelled; nothing was changed\.$/m)
  assert.match((await run('operations', 'show', `${operation}`)).output, /cancelled/)
  assert.equal((await run('operations', 'show')).code, 2)
  assert.equal((await run('cancel', '--in-background', '0198c2a0-7c1e-7000-8000-000000000000')).code, 2)
})

test('an event is corrected; one that was sent is not', async () => {
  const { output: id } = await run('publish', 'order.wrong', '--source', '/shop', '--data', '{"n":1}', '--key', 'k')
  assert.match((await run('correct', id)).warnings, /correct needs what differs/)
  const wrong = await run('correct', id, '--source', 'not a uri')
  assert.equal(wrong.code, 1)
  assert.match(wrong.warnings, /source is "not a uri"/)
  const corrected = await run('correct', id, '--data', '{"n":2}', '--extension', 'tenant=a', '--by', 'ann', '--json')
  assert.equal(corrected.code, 0, corrected.warnings)
  const { id: newId, corrects } = JSON.parse(corrected.output)
  assert.equal(corrects, id)
  const { output } = await run('show', newId, '--cloud-event')
  assert.deepEqual([JSON.parse(output).data, JSON.parse(output).correctionof], [{ n: 2 }, id])
  assert.match((await run('correct', newId, '--subject', 's')).output, new RegExp(`in the place of ${newId}`))
  const late = await run('correct', id, '--data', '3')
  assert.equal(late.code, 7)
  assert.match(late.warnings, /is cancelled; only an event that is still to be delivered, or failed, is corrected/)
  assert.equal((await run('correct', 'x', '--data', '3')).code, 2)
})

test('published events are replayed to another backend', async () => {
  await run('publish', 'order.sent', '--source', '/shop', '--backend', 'main')
  await run('worker', '--max-iterations', '1')
  assert.match((await run('replay', '--type', 'order.sent', '--to', 'othre')).warnings, /no backend othre.*other/)
  assert.equal((await run('cancel', '--type', 'order.sent', '--to', 'other')).code, 2)
  assert.match((await run('replay', '--type', 'order.sent', '--to', 'other')).output, /^1 event replayed\.$/m)
  assert.match((await run('list', '--backend', 'other')).output, /order\.sent/)
  await run('worker', '--max-iterations', '1')
  const began = await run('replay', '--type', 'order.sent', '--backend', 'main', '--to', 'other', '--in-background')
  assert.match(began.output, /^Operation \d+ began; 1 match/m)
  assert.match((await run('operations', 'list')).output, /replay to other +running/)
})

test('a test event is sent, and waited for', async () => {
  assert.match((await run('test-event', 'mian')).warnings, /no backend mian here.*main/)
  assert.equal((await run('test-event')).code, 2)
  const { output: id } = await run('test-event', 'other', '--by', 'ann')
  assert.match((await run('show', id)).output, /ts-broadcaster\.test/)
  const late = await run('test-event', 'main', '--wait', '--timeout', '1ms')
  assert.equal(late.code, 6)
  assert.match(late.output, /waits since \d+ ms: broadcaster show/)
  const waiting = run('test-event', 'main', '--wait', '--json', '--data', '{"n":1}')
  await new Promise((resolve) => setTimeout(resolve, 500))
  const worked = await run('worker', '--max-iterations', '1')
  assert.equal(worked.code, 0, worked.warnings)
  const { code, output } = await waiting
  assert.equal(code, 0, output)
  const { outcome, backend, error } = JSON.parse(output)
  assert.deepEqual([outcome, backend, error], ['published', 'main', null])
})
