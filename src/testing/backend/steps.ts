import assert from 'node:assert/strict'
import type { Backend, SendResult } from '../../backend/backend.ts'
import { classifySendError, type FailureClass } from '../../backend/send-error.ts'
import type { EncodableEvent } from '../../event/cloud-event.ts'
import type { OutgoingEvent } from '../../event/outgoing-event.ts'

/** A signal that never aborts. */
export function noAbort(): AbortSignal {
  return new AbortController().signal
}

/** What a result means: `ok`, or the class of its error. */
export function outcomeOf(result: SendResult | undefined): 'ok' | FailureClass['kind'] {
  assert.ok(result, 'there is a result for each event')
  return result.ok ? 'ok' : classifySendError(result.error).kind
}

/**
 * Sends events as the relay does: in sends of at most `size`, each awaited, with at most one event of a key in each
 * unless the backend orders them itself. Returns the results in the order of the events.
 */
export async function sendAll(
  backend: Backend,
  events: readonly OutgoingEvent[],
  size = 500,
): Promise<readonly SendResult[]> {
  const results = new Map<OutgoingEvent, SendResult>()
  let left = events
  while (left.length > 0) {
    const keys = new Set<string>()
    const batch = left
      .filter(({ partitionKey: key }) => {
        if (backend.capabilities?.ordersWithinSend || key === undefined) return true
        return !keys.has(key) && keys.add(key)
      })
      .slice(0, size)
    const sent = await backend.send(batch, noAbort())
    assert.equal(sent.length, batch.length, 'one result for each event')
    for (const [n, event] of batch.entries()) results.set(event, sent[n] as SendResult)
    const done = new Set(batch)
    left = left.filter((event) => !done.has(event))
  }
  return events.map((event) => results.get(event) as SendResult)
}

/** Fails with the first error, when any event was not delivered. */
export function assertAllDelivered(results: readonly SendResult[]): void {
  for (const [n, result] of results.entries()) {
    if (!result.ok) assert.fail(`event ${n} was not delivered: ${String(result.error)}`)
  }
}

/** The ids that arrived, in order. */
export function idsOf(received: readonly EncodableEvent[]): readonly unknown[] {
  return received.map((event) => event.attributes['id'])
}

/** Fails unless the events of every key arrived in the order of `sent`. Events that did not arrive are skipped. */
export function assertOrderWithinKeys(sent: readonly OutgoingEvent[], received: readonly EncodableEvent[]): void {
  const arrived = new Set(idsOf(received))
  const keyed = sent.filter(({ partitionKey, id }) => partitionKey !== undefined && arrived.has(id))
  const seen = Map.groupBy(received, ({ attributes }) => attributes['partitionkey'])
  for (const [key, events] of Map.groupBy(keyed, ({ partitionKey }) => partitionKey)) {
    const ids = events.map(({ id }) => id)
    assert.deepEqual(idsOf(seen.get(key) ?? []), ids, `the order of key ${key}`)
  }
}

/**
 * Fails unless a cut-short send told the truth: what it reported as delivered has arrived, and of each key nothing
 * after the first undelivered event was reported as delivered.
 */
export function assertTruthful(
  sent: readonly OutgoingEvent[],
  results: readonly SendResult[],
  received: readonly EncodableEvent[],
): void {
  assert.equal(results.length, sent.length, 'one result for each event')
  const arrived = new Set(idsOf(received))
  const stopped = new Set<string>()
  for (const [n, event] of sent.entries()) {
    const key = event.partitionKey
    if (!results[n]?.ok) {
      if (key !== undefined) stopped.add(key)
      continue
    }
    assert.ok(arrived.has(event.id), `event ${n} was called delivered, and never arrived`)
    assert.ok(key === undefined || !stopped.has(key), `event ${n} was delivered after one of its key that was not`)
  }
  assertOrderWithinKeys(sent, received)
}
