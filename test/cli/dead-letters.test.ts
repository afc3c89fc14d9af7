import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { runCli } from '../../src/cli/run.ts'
import { opened, take, wireEvents } from '../../src/testing/subscription/steps.ts'
import { type MemorySubscription, memorySubscription } from '../../src/testing.ts'
import { root } from '../project/source-files.ts'
import { FakeTerminal } from '../support/fake-terminal.ts'

const folder = mkdtempSync(join(tmpdir(), 'broadcaster-letters-'))
after(() => rmSync(folder, { recursive: true }))

/** As a configuration file in another process finds the same broker. */
const SHARED = Symbol.for('test/cli/dead-letters')
const CONFIG = `
import { sqlite } from '${root}/src/store/sqlite/sqlite.ts'
import { memoryBackend } from '${root}/src/testing.ts'
export default {
  store: sqlite({ path: '${join(folder, 'outbox.db')}' }),
  backends: { default: memoryBackend() },
  subscriptions: { billing: globalThis[Symbol.for('test/cli/dead-letters')], poor: { description: 'poor' } },
}
`

function broadcaster(...args: readonly string[]): Promise<FakeTerminal & { code: number }> {
  return runOn(terminalOf(), args)
}

function terminalOf(): FakeTerminal {
  const name = `${Math.random()}.mjs`
  writeFileSync(join(folder, name), CONFIG)
  return new FakeTerminal(folder, { env: { BROADCASTER_CONFIG: name } })
}

async function runOn(terminal: FakeTerminal, args: readonly string[]): Promise<FakeTerminal & { code: number }> {
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
    assert.match(
      (await broadcaster('dead-letters', 'list', 'billing')).warnings,
      /There are no dead letters of billing/,
    )
  })

  for (const json of [false, true]) {
    test(`says what it requeued before the broker failed, or Ctrl-C came${json ? ', as JSON' : ''}`, async () => {
      const args = ['dead-letters', 'requeue', 'billing', '--all', ...(json ? ['--json'] : [])]
      /** Two of three are requeued, and then this happens. */
      const third = async (happens: (terminal: FakeTerminal) => void) => {
        const subscription = await givenUp(3)
        const terminal = terminalOf()
        const open = subscription.deadLetterPlace?.bind(subscription)
        let requeued = 0
        subscription.deadLetterPlace = (context) => {
          const place = open?.(context)
          assert.ok(place)
          return {
            description: place.description,
            list: (page, signal) => place.list(page, signal),
            close: () => place.close(),
            async requeue(id, signal) {
              if (++requeued === 3) happens(terminal)
              const found = await place.requeue(id, signal)
              if (requeued === 2) terminal.progress('two')
              return found
            },
          }
        }
        return { terminal, subscription }
      }
      const broken = await third(() => {
        throw new Error('the broker is gone')
      })
      const failed = await runOn(broken.terminal, args)
      assert.equal(failed.code, 1)
      assert.match(failed.warnings, /the broker is gone/)
      const stopped = await third(() => undefined)
      stopped.terminal.progress = () => stopped.terminal.stop.abort('SIGINT')
      const ended = await runOn(stopped.terminal, args)
      assert.equal(ended.code, 130)
      for (const { output, warnings } of [failed, ended]) {
        if (json) {
          const told = JSON.parse(output) as { readonly requeued: string[]; readonly interrupted: boolean }
          assert.deepEqual([told.requeued.length, told.interrupted], [2, true])
        } else {
          assert.equal(output, '2 messages requeued.')
          assert.match(warnings, /Interrupted: .* Run the command again for them\./)
        }
      }
      assert.deepEqual(
        [broken, stopped].map(({ subscription }) => subscription.deadLetters.length),
        [1, 1],
      )
    })
  }

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
