import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { runCli } from '../../src/cli/run.ts'
import { root } from '../project/source-files.ts'
import { FakeTerminal } from '../support/fake-terminal.ts'

const folder = mkdtempSync(join(tmpdir(), 'broadcaster-breakers-'))
after(() => rmSync(folder, { recursive: true }))

let copies = 0
function terminalFor(backend: string): FakeTerminal {
  const config = `${++copies}.mjs`
  writeFileSync(
    join(folder, config),
    `import { sqlite } from '${root}/src/store/sqlite/sqlite.ts'
import { webhook } from '${root}/src/webhook/webhook.ts'
export default { store: sqlite({ path: ${JSON.stringify(join(folder, 'outbox.db'))} }), backends: { hooks: webhook(${backend}) } }\n`,
  )
  return new FakeTerminal(folder, { env: { BROADCASTER_CONFIG: config } })
}

/** A port of this host on which nobody listens. */
async function closedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  return typeof address === 'object' && address !== null ? address.port : 0
}

test('a place behind a backend that is away is told by the worker, stats, list, show and the doctor', async () => {
  const place = `http://127.0.0.1:${await closedPort()}`
  // The port of the other place is not asked: no worker runs once its event is there.
  const backend = `{ url: ({ data }) => data?.elsewhere ? 'http://127.0.0.1:1/events' : '${place}/events', allowPrivateNetworks: true }`
  const run = async (...args: readonly string[]) => {
    const terminal = terminalFor(backend)
    return Object.assign(terminal, { code: await runCli(args, terminal, '1.2.3') })
  }
  await run('migrate')
  assert.match((await run('doctor')).output, /^advice {2}no worker/m)
  const { output: held } = await run('publish', 'order.placed', '--source', '/shop')
  const worker = terminalFor(backend)
  const ended = runCli(['worker'], worker, '1.2.3')
  await worker.line(new RegExp(`${place} of hooks is DOWN: `))
  worker.stop.abort()
  assert.equal(await ended, 0)

  assert.match((await run('breaker', 'list')).output, new RegExp(`^hooks +${place} +`, 'm'))
  const history = (await run('breaker', 'history', 'hooks')).output
  assert.match(history, new RegExp(`^${place} +\\d{4}-\\d\\d-\\d\\dT[0-9:]+Z .* open +\\d+ .*ECONNREFUSED`, 'm'))
  const { outages } = (await run('breaker', 'history', '--json')).json
  assert.equal((outages as readonly { readonly destination: string }[])[0]?.destination, place)
  assert.equal((await run('breaker', 'history', 'other')).output, 'No breaker has opened, as far as is known.')
  assert.match(
    (await run('stats')).output,
    new RegExp(`^The breaker of ${place} behind hooks has been open for [0-9.]+ `, 'm'),
  )
  const { output: free } = await run('publish', 'order.placed', '--source', '/shop', '--data', '{"elsewhere":true}')
  const { output: listed } = await run('list')
  assert.match(listed, new RegExp(`^${held} .* the breaker of ${place} behind hooks`, 'm'))
  assert.match(listed, new RegExp(`^${free} `, 'm'))
  assert.doesNotMatch(listed, new RegExp(`^${free} .*the breaker of`, 'm'))
  assert.match((await run('show', held)).output, new RegExp(`^waits for +the breaker of ${place} behind hooks$`, 'm'))
  assert.doesNotMatch((await run('show', free)).output, /^waits for/m)

  const { backends } = (await run('stats', '--json')).json as {
    backends: { openBreakers: { destination: string }[] }[]
  }
  assert.deepEqual(
    backends.flatMap(({ openBreakers }) => openBreakers.map(({ destination }) => destination)),
    [place],
  )
  const doctor = await run('doctor')
  assert.equal(doctor.code, 6)
  assert.match(
    doctor.output,
    new RegExp(`^wrong +the breaker of ${place} behind hooks has been open .*\\n +-> repair ${place};`, 'm'),
  )
})

test('several problems of a configuration stand on a line each', async () => {
  const terminal = terminalFor(`{ url: 'https://shop.example', allowHttp: true, retries: 3 }`)
  assert.equal(await runCli(['migrate'], terminal, '1.2.3'), 3)
  const [first = '', ...more] = terminal.notes
  assert.match(first, /^broadcaster: .*webhook\(\) is refused:$/)
  assert.deepEqual(
    more.map((line) => line.replace(/ is not an option.*/, '')),
    ['  - allowHttp', '  - retries'],
  )
})
