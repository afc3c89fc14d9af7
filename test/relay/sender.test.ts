/** A send by itself: suspects are marked and go alone, a send ends in its time, and a process that stood still blames nobody. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { type Backend, delivered, notDelivered, type SendResult } from '../../src/backend/backend.ts'
import { boundedSend } from '../../src/relay/bounded-send.ts'
import type { HeldEvent } from '../../src/relay/held-event.ts'
import { Lease, moment } from '../../src/relay/lease.ts'
import { Sender, type SenderOptions } from '../../src/relay/sender.ts'

const never = (): boolean => false

function leased(length = 60_000): Lease {
  const lease = new Lease(length)
  lease.extend(moment())
  return lease
}

const held = (id: string, given: Partial<HeldEvent> = {}): HeldEvent =>
  ({ id, key: null, lane: 0, retryCount: 0, maxRetries: 3, event: { id }, ...given }) as unknown as HeldEvent

/** A sender on a backend that writes down what it gets; `record`: ids whose mark the store takes, when it answers. */
function sending(
  given: { backend?: Partial<Backend>; record?: () => Promise<readonly string[]>; store?: object } = {},
) {
  const sent: string[][] = []
  const backend = {
    send: async (events: readonly { readonly id: string }[]) => {
      sent.push(events.map(({ id }) => id))
      return events.map(() => delivered)
    },
    ...given.backend,
  }
  const conclusion = {
    mark: async (events: readonly HeldEvent[]) =>
      new Set(given.record ? await given.record() : events.map(({ id }) => id)),
  }
  const options = {
    name: 'main',
    backend,
    timeout: 5_000,
    lease: leased(),
    conclusion,
    store: given.store,
    turns: { aside: (work: () => unknown) => work() },
    policy: { retry: { base: 1 }, onFailed: 'block', maxRetryAfter: 0, random: () => 0 },
    onError: () => undefined,
  }
  return { sent, sender: new Sender(options as unknown as SenderOptions) }
}

const kinds = (results: readonly (SendResult | undefined)[]): readonly (boolean | undefined)[] =>
  results.map((one) => one?.ok)

test('a suspect is sent once the store says that it is, and not at all when the store does not take that', async () => {
  const order: string[] = []
  const { sender, sent } = sending({
    record: async () => {
      order.push('marked')
      assert.equal(sent.length, 0)
      return ['a']
    },
  })
  const batch = [held('a', { marked: true }), held('b', { marked: true }), held('c')]
  const { results } = await sender.send(batch, never)
  assert.deepEqual(order, ['marked'])
  assert.deepEqual(sent, [['a', 'c']])
  assert.deepEqual(kinds(results), [true, false, true])
})

test('an event that may have killed its process goes while no other such event does', async () => {
  const gate = Promise.withResolvers<void>()
  const first = sending({
    backend: {
      send: async (events) => {
        await gate.promise
        return events.map(() => delivered)
      },
    },
  })
  const second = sending()
  const alone = (id: string): HeldEvent => held(id, { alone: true, marked: true })
  const sends = [first.sender.send([alone('a')], never), second.sender.send([alone('b')], never)]
  await delay(20)
  assert.deepEqual(second.sent, [])
  gate.resolve()
  await Promise.all(sends)
  assert.deepEqual(second.sent, [['b']])
})

test('one whose store does not answer keeps those of other stores waiting for a moment only', {
  timeout: 10_000,
}, async () => {
  const answer = Promise.withResolvers<readonly string[]>()
  const first = sending({ record: () => answer.promise })
  const second = sending()
  const alone = (id: string): HeldEvent => held(id, { alone: true, marked: true })
  const waiting = first.sender.send([alone('a')], never)
  await second.sender.send([alone('b')], never)
  assert.deepEqual([first.sent, second.sent], [[], [['b']]])
  answer.resolve(['a'])
  await waiting
  assert.deepEqual(first.sent, [['a']])
})

test('in transactions an event of a key whose earlier one failed is not begun, and others are', async () => {
  const begun: string[] = []
  const { sender } = sending({
    backend: {
      sendInTransaction: async ({ id }) => {
        begun.push(id)
        return id === 'a' ? notDelivered(new Error('no')) : delivered
      },
    },
    store: {
      settleInTransaction: async (_ownership: unknown, work: (tx: unknown) => Promise<unknown>) => {
        await work({})
        return { recorded: begun.at(-1) !== 'd' }
      },
    },
  })
  const batch = [held('a', { key: 'k' }), held('b', { key: 'k' }), held('c', { key: 'l' }), held('d')]
  const { results, settled } = await sender.send(batch, never)
  assert.deepEqual(begun, ['a', 'c', 'd'])
  assert.deepEqual(kinds(results), [false, false, true, false], 'what was rolled back was not handled')
  assert.deepEqual([...settled], ['a', 'c'])
})

test('a send is aborted when the lease ends, and nothing is learnt from it', { timeout: 10_000 }, async () => {
  const lease = leased(80)
  const answer = await boundedSend({ lease, timeout: 50_000 }, [held('a')], async (signal) => {
    await new Promise((resolve) => signal.addEventListener('abort', resolve))
    return [notDelivered(new Error('cut short'))]
  })
  assert.ok(answer.kind === 'results' || answer.kind === 'interrupted')
  if (answer.kind === 'results') {
    const [result] = answer.results
    assert.equal(result?.ok === false && (result.error as { code?: unknown }).code, 'SEND_NOT_ATTEMPTED')
  }
})

test('without lease nothing is sent', async () => {
  const answer = await boundedSend({ lease: new Lease(1_000), timeout: 10 }, [held('a')], () => assert.fail('sent'))
  assert.deepEqual(answer, { kind: 'interrupted' })
})

test('a send in which the process stood still says what was delivered, and blames nobody for the rest', async (t) => {
  let ahead = 0
  const now = Date.now
  t.mock.method(Date, 'now', () => now() + ahead)
  const answer = await boundedSend({ lease: leased(), timeout: 1_000 }, [held('a'), held('b')], async () => {
    ahead = 30_000
    return [delivered, notDelivered(new Error('timed out'))]
  })
  assert.equal(answer.kind, 'results')
  if (answer.kind !== 'results') return
  assert.deepEqual(kinds(answer.results), [true, false])
  const [, second] = answer.results
  assert.equal(second?.ok === false && (second.error as { code?: unknown }).code, 'SEND_NOT_ATTEMPTED')
})
