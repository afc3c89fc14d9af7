import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { runCli } from '../../src/cli/run.ts'
import { opened, take, wireEvents } from '../../src/testing/subscription/steps.ts'
import { type MemorySubscription, memorySubscription } from '../../src/testing/testing.ts'
import { root } from '../project/source-files.ts'
import { FakeTerminal } from '../support/fake-terminal.ts'

const folder = mkdtempSync(join(tmpdir(), 'broadcaster-letters-'))
after(() => rmSync(folder, { recursive: true }))

/** As a configuration file in another process finds the same broker. */
const SHARED = Symbol.for('test/cli/dead-letters')
const CONFIG = `
import { sqlite } from '${root}/src/store/sqlite/sqlite.ts'
import { memoryBackend } from '${root}/src/testing/testing.ts'
export default {
  store: sqlite({ path: '${join(folder, 'outbox.db')}' }),
  backends: { default: memoryBackend() },
  subscriptions: { billing: globalThis[Symbol.for('test/cli/dead-letters')], poor: { description: 'poor' } },
}
`

async function broadcaster(...args: readonly string[]): Promise<FakeTerminal & { code: number }> {
  const name = `${Math.random()}.mjs`
  writeFileSync(join(folder, name), CONFIG)
  const terminal = new FakeTerminal(folder, { env: { BROADCASTER_CONFIG: name } })
  return Object.assign(terminal, { code: await runCli(args, terminal, '1.2.3') })
}

/** A consumer that gave up on so many. */
async function givenUp(count: number): Promise<MemorySubscription> {
  const subscription = memorySubscription()
  Object.assign(globalThis, { [SHARED]: subscription })
  await opened(subscription)
  subscription.deliver(...wireEvents(count, 1))
  for (const delivery of await take(subscription, count)) {
    await delivery.deadLetter({ consumer: 'billing', error: new Error('no such customer\u001b[2J'), attempts: 3 })
  }
  return subscription
}

describe('dead-letters', () => {
  test('lists them page by page, as a table and as JSON', async () => {
    await givenUp(3)
    const table = await broadcaster('dead-letters', 'list', 'billing')
    assert.equal(table.code, 0, table.warnings)
    assert.match(table.output, /ID .*TYPE .*ERROR/)
    assert.equal(table.output.match(/order\.created/g)?.length, 3)
    assert.match(table.output, /no such customer/)
    assert.ok(!table.output.includes('\u001b[2J'))
    const first = await broadcaster('dead-letters', 'list', 'billing', '--limit', '2', '--json')
    const { letters, next } = JSON.parse(first.output) as { letters: { id: string; data: unknown }[]; next: string }
    assert.deepEqual(
      letters.map(({ data }) => data),
      [{ n: 0 }, { n: 1 }],
    )
    const rest = await broadcaster('dead-letters', 'list', 'billing', '--after', next, '--json')
    const { letters: last, next: none } = JSON.parse(rest.output) as { letters: { data: unknown }[]; next: null }
    assert.deepEqual([last.map(({ data }) => data), none], [[{ n: 2 }], null])
  })

  test('requeues one by its id, then all, and says what is not there', async () => {
    const subscription = await givenUp(3)
    const { output } = await broadcaster('dead-letters', 'list', 'billing', '--json')
    const [letter] = (JSON.parse(output) as { letters: { id: string }[] }).letters
    const one = await broadcaster('dead-letters', 'requeue', 'billing', letter?.id ?? '', 'nowhere')
    assert.match(one.output, /^1 message requeued\.$/m)
    assert.match(one.warnings, /No such dead letter: nowhere/)
    assert.equal(one.code, 7)
    assert.equal(subscription.deadLetters.length, 2)
    assert.equal((await take(subscription, 1))[0]?.event?.dataJson, '{"n":0}')
    const all = await broadcaster('dead-letters', 'requeue', 'billing', '--all', '--json')
    assert.equal((JSON.parse(all.output) as { requeued: string[] }).requeued.length, 2)
    assert.equal(all.code, 0)
    assert.equal(subscription.deadLetters.length, 0)
    assert.match((await broadcaster('dead-letters', 'list', 'billing')).warnings, /No dead letters of billing/)
  })

  test('refuses what says too little, and an unknown consumer with those that there are', async () => {
    await givenUp(1)
    for (const args of [
      [],
      ['list'],
      ['requeue', 'billing'],
      ['requeue', 'billing', 'x', '--all'],
      ['purge', 'billing'],
    ]) {
      assert.equal((await broadcaster('dead-letters', ...args)).code, 2, args.join(' '))
    }
    const unknown = await broadcaster('dead-letters', 'list', 'biling')
    assert.equal(unknown.code, 2)
    assert.match(unknown.warnings, /did you mean "billing"/)
    assert.match((await broadcaster('dead-letters', 'list', 'poor')).warnings, /no deadLetterPlace/)
  })
})
