/** Which event is the probe of a backend that is down, and which one is to blame itself. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { notDelivered } from '../../src/backend/backend.ts'
import { OutageError } from '../../src/backend/send-error.ts'
import type { HeldEvent } from '../../src/relay/held-event.ts'
import { Prober } from '../../src/relay/prober.ts'
import { SendBuffer } from '../../src/relay/send-buffer.ts'

const held = (id: string, given: Partial<HeldEvent> = {}): HeldEvent =>
  ({ id, key: null, seq: 0, bytes: 0, marked: false, ...given }) as HeldEvent

/** The probe that is chosen of these. */
function chosen(prober: Prober, ...events: readonly HeldEvent[]): string | undefined {
  const buffer = new SendBuffer()
  for (const event of events) buffer.add(event)
  return prober.choose(buffer)?.id
}

test('after two probes with one event the next is tried, and the first is charged alone if that one is delivered', () => {
  const prober = new Prober()
  const both = [held('a'), held('b')]
  const sent: (string | undefined)[] = []
  for (let n = 0; n < 3; n++) {
    const id = chosen(prober, ...both)
    sent.push(id)
    prober.tried(id, n === 2)
  }
  assert.deepEqual(sent, ['a', 'a', 'b'])
  assert.deepEqual([prober.blames('a'), prober.blames('b')], [true, false])
  const outage = notDelivered(new OutageError('away'))
  assert.deepEqual(prober.correct(both, [outage, outage]), [outage, outage])
  const [corrected] = prober.correct([held('a')], [outage])
  assert.equal(corrected?.ok === false && (corrected.error as Error).name, 'RetryAfterError')
  assert.equal(prober.blames('a'), false, 'once')
  assert.equal(chosen(prober, ...both), 'a', 'all begins anew once the backend is up')
})

test('one that is delivered itself is not to blame, nor one that was tried once', () => {
  for (const tries of [1, 2]) {
    const prober = new Prober()
    for (let n = 0; n < tries; n++) prober.tried('a', false)
    prober.tried(tries === 1 ? 'b' : 'a', true)
    assert.equal(prober.blames('a'), false)
  }
})

test('an event that may have killed its worker is no probe', () => {
  const prober = new Prober()
  assert.equal(chosen(prober, held('a', { marked: true })), undefined)
  assert.equal(chosen(prober, held('a', { marked: true }), held('b')), 'b')
})
