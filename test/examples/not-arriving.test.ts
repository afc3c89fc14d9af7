import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, test } from 'node:test'
import { runCli } from '../../src/cli/run.ts'
import { root } from '../project/source-files.ts'
import { FakeTerminal } from '../support/fake-terminal.ts'

/** docs/not-arriving.md, from the symptom to the delivered event, on SQLite. */
const page = readFileSync(join(root, 'docs/not-arriving.md'), 'utf8')

/** A service with an outbox; its broker is a file, which is away while the folder of it is missing. */
class Service {
  readonly folder = mkdtempSync(join(tmpdir(), 'broadcaster-not-arriving-'))
  readonly database = join(this.folder, 'outbox.db')
  readonly arrived = join(this.folder, 'arrived')
  #runs = 0

  async run(line: string): Promise<FakeTerminal & { readonly code: number }> {
    const config = `${++this.#runs}.mjs`
    writeFileSync(
      join(this.folder, config),
      `import { existsSync, appendFileSync } from 'node:fs'
import { sqlite } from '${root}/src/store/sqlite/sqlite.ts'
import { eachEvent } from '${root}/src/backend/each-event.ts'
import { OutageError, PermanentError } from '${root}/src/backend/send-error.ts'
const main = eachEvent(({ id }) => {
  if (existsSync('${this.folder}/away')) throw new OutageError('the broker is away')
  if (existsSync('${this.folder}/refuses')) throw new PermanentError('refused')
  appendFileSync('${this.arrived}', id + '\\n')
})
export default { store: sqlite({ path: '${this.database}' }), backends: { main }, worker: { breaker: { firstProbe: 20, probeInterval: 40 } } }
`,
    )
    const terminal = new FakeTerminal(this.folder, { env: { BROADCASTER_CONFIG: config } })
    const args = line.split(' ').filter((word) => word !== '')
    return Object.assign(terminal, { code: await runCli(args, terminal, '1.2.3') })
  }

  /** Publishes an event, and returns its id. */
  async publish(more = ''): Promise<string> {
    const { output } = await this.run(`publish order.placed --source /shop --key k ${more}`)
    return output.trim()
  }

  /** Runs a worker until nothing is due, and says whether the event has arrived. */
  async delivers(id: string): Promise<boolean> {
    await this.run('worker --max-iterations 1')
    return this.came(id)
  }

  came(id: string): boolean {
    try {
      return readFileSync(this.arrived, 'utf8').includes(id)
    } catch {
      return false
    }
  }

  sql(statement: string): void {
    const database = new DatabaseSync(this.database)
    database.exec(statement)
    database.close()
  }

  set(flag: 'away' | 'refuses', on: boolean): void {
    const path = join(this.folder, flag)
    if (on) writeFileSync(path, '')
    else rmSync(path, { force: true })
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true })
  }
}

/** The fault is told by `doctor` as the page says, and `cure` stands there. */
async function told(service: Service, symptom: string, cure: string): Promise<string> {
  const { output } = await service.run('doctor')
  assert.ok(output.includes(symptom), `doctor says: ${output}`)
  const row = page.split('\n').find((line) => line.startsWith(`| \`${symptom}\``))
  assert.ok(row?.includes(cure), `the page has '${symptom}' with '${cure}'`)
  return output
}

describe('docs/not-arriving.md', () => {
  test('no tables', async () => {
    using service = new Service()
    await told(service, 'is at version 0 of', 'broadcaster migrate')
    await service.run('migrate')
    assert.ok(await service.delivers(await service.publish()))
  })

  test('no worker', async () => {
    using service = new Service()
    await service.run('migrate')
    const id = await service.publish()
    await told(service, 'no worker is running', 'broadcaster worker')
    assert.match((await service.run('list')).output, new RegExp(id))
    assert.ok(await service.delivers(id))
  })

  test('a pause', async () => {
    using service = new Service()
    await service.run('migrate')
    await service.run('pause main --reason lunch')
    const id = await service.publish()
    assert.ok(!(await service.delivers(id)))
    await told(service, 'was paused by', 'broadcaster resume main')
    await service.run('resume main')
    assert.ok(await service.delivers(id))
  })

  test('a broker that is away', async () => {
    using service = new Service()
    await service.run('migrate')
    service.set('away', true)
    const id = await service.publish()
    assert.ok(!(await service.delivers(id)))
    await told(service, 'has been open for', 'broadcaster breaker close main')
    service.set('away', false)
    await service.run('breaker close main')
    assert.ok(await service.delivers(id))
  })

  test('a blocked key: requeued, and skipped', async () => {
    using service = new Service()
    await service.run('migrate')
    service.set('refuses', true)
    const [first, second] = [await service.publish(), await service.publish()]
    assert.ok(!(await service.delivers(first)))
    await told(service, 'failed for good, and blocks 1 key', 'broadcaster requeue --status failed')
    service.set('refuses', false)
    assert.ok(!(await service.delivers(second)), 'it waits behind the first')
    assert.match((await service.run(`show ${second}`)).output, new RegExp(`^waits for .*${first}`, 'm'))
    await service.run('requeue --status failed')
    assert.ok(await service.delivers(second))
    assert.ok(service.came(first))

    service.set('refuses', true)
    const [third, fourth] = [await service.publish(), await service.publish()]
    await service.delivers(third)
    service.set('refuses', false)
    await told(service, 'failed for good, and blocks 1 key', 'broadcaster skip --status failed')
    await service.run('skip --status failed')
    assert.ok(await service.delivers(fourth))
    assert.ok(!service.came(third))
  })

  test('a backend that is not configured, an index that is missing, a status that does not exist', async () => {
    using service = new Service()
    await service.run('migrate')
    const id = await service.publish()
    service.sql("UPDATE outbox_events SET publisher_backend = 'elsewhere'")
    await told(service, 'which is not configured', 'add it to `backends`')
    service.sql("UPDATE outbox_events SET publisher_backend = 'main', status = 'PENDING'")
    const output = await told(service, 'with the status', 'the statement that `doctor` prints')
    service.sql(/-> (UPDATE .*?);/.exec(output)?.[1] ?? '')
    service.sql('DROP INDEX outbox_events_hot')
    await told(service, 'is missing or its build', 'broadcaster doctor --fix --yes')
    await service.run('doctor --fix --yes')
    assert.ok(await service.delivers(id))
  })

  test('scheduled for later', async () => {
    using service = new Service()
    await service.run('migrate')
    const id = await service.publish('--delay 1h')
    assert.ok(!(await service.delivers(id)))
    assert.match((await service.run('list')).output, /DUE/)
    assert.ok(page.includes('broadcaster reschedule <id> --delay 0'))
    const { code, warnings } = await service.run(`reschedule ${id} --delay 0`)
    assert.equal(code, 0, warnings)
    assert.ok(await service.delivers(id))
    assert.match((await service.run(`show ${id}`)).output, /published/)
  })
})
