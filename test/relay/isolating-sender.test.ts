/** Whose fault it is when no answer comes. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { type Backend, delivered, notDelivered, type SendResult } from '../../src/backend/backend.ts'
import { GrantedTime } from '../../src/relay/granted-time.ts'
import type { HeldEvent } from '../../src/relay/held-event.ts'
import { IsolatingSender } from '../../src/relay/isolating-sender.ts'
import { Lease, moment } from '../../src/relay/lease.ts'

const TIMEOUT = 40
const never = (): boolean => false
const held = (id: string, key: string | null = null): HeldEvent =>
  ({ id, key, lane: 0, destination: undefined, event: { id } }) as unknown as HeldEvent

/** A sender on a backend that hangs on these events, and says how each attempt went. */
function sending(hangs: readonly string[], answer: (id: string) => SendResult = () => delivered, healthy = true) {
  const lease = new Lease(60_000)
  lease.extend(moment())
  const sent: string[] = []
  const backend = {
    healthCheck: async () => ({ healthy }),
    send: async (events: readonly { readonly id: string }[]) => {
      const ids = events.map(({ id }) => id)
      sent.push(ids.join(' '))
      if (ids.some((id) => hangs.includes(id))) await new Promise(() => undefined)
      return ids.map(answer)
    },
  } as unknown as Backend
  return { sent, sender: new IsolatingSender({ name: 'main', backend, timeout: TIMEOUT, lease }) }
}

const codes = (results: readonly (SendResult | undefined)[]): readonly unknown[] =>
  results.map((one) => (one?.ok ? 'ok' : (one?.error as { readonly code?: unknown } | undefined)?.code))

test('of a batch that hangs each is tried alone, and the one that hangs alone is charged', async () => {
  const { sender, sent } = sending(['b'])
  const results = await sender.deliver([held('a'), held('b'), held('c')], never)
  assert.deepEqual(codes(results), ['ok', 'SEND_TIMEOUT', 'ok'])
  assert.deepEqual(sent, ['a b c', 'a', 'b', 'c'])
  assert.deepEqual([sender.hasHung('a'), sender.hasHung('b')], [false, true])
})

test('what follows one that failed in its key is not tried', async () => {
  const no = (id: string): SendResult => (id === 'a' ? notDelivered(new Error('no')) : delivered)
  const { sender, sent } = sending(['x'], no)
  const results = await sender.deliver([held('a', 'k'), held('b', 'k'), held('x'), held('c', 'l')], never)
  assert.ok(!sent.includes('b'))
  assert.deepEqual(codes(results), [undefined, 'SEND_NOT_ATTEMPTED', 'SEND_TIMEOUT', 'ok'])
})

test('where all hang it is the backend, and nobody is charged', async () => {
  const { sender } = sending(['a', 'b'])
  const results = await sender.deliver([held('a'), held('b')], never)
  assert.deepEqual(codes(results), ['SEND_OUTAGE', 'SEND_OUTAGE'])
  assert.deepEqual([sender.hasHung('a'), sender.hasHung('b')], [false, false])
})

test('two that hang one after the other, with no answer between, are the backend, however healthy it says it is', async () => {
  const { sender } = sending(['a', 'b'])
  assert.deepEqual(codes(await sender.deliver([held('a')], never)), ['SEND_TIMEOUT'])
  assert.deepEqual(codes(await sender.deliver([held('b')], never)), ['SEND_OUTAGE'])
})

test('one that hangs while others are answered is to blame, whatever the health', async () => {
  const { sender } = sending(['a'], undefined, false)
  const hanging = sender.deliver([held('a')], never)
  await delay(10)
  await sender.deliver([held('b')], never)
  assert.deepEqual(codes(await hanging), ['SEND_TIMEOUT'])
})

test('time in which the process stood still does not count', (t) => {
  let now = 1_000_000
  t.mock.method(performance, 'now', () => now)
  t.mock.timers.enable({ apis: ['setTimeout'] })
  let isOver = false
  new GrantedTime(1_000, () => {
    isOver = true
  })
  const pass = (ms: number, stood = 0): void => {
    now += ms + stood
    t.mock.timers.tick(ms)
  }
  pass(250)
  pass(250, 1_500)
  for (let n = 0; n < 2; n++) pass(250)
  assert.equal(isOver, false)
  pass(250)
  assert.equal(isOver, true)
})
