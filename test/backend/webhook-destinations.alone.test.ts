import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Broadcaster } from '../../src/broadcaster.ts'
import { memoryStore } from '../../src/store/memory/memory.ts'
import { onSignal } from '../../src/telemetry/signals.ts'
import { webhook } from '../../src/webhook/webhook.ts'
import { Receiver } from './receiver.ts'

const DESTINATIONS = 20
const EVENTS = 400

/**
 * Delivers to 20 destinations of one webhook backend, and returns the milliseconds until all of the first 19 have theirs.
 * `isSilent`: the last takes every request, and never answers one.
 */
async function deliver(isSilent: boolean): Promise<number> {
  const receivers = await Promise.all(Array.from({ length: DESTINATIONS }, () => Receiver.start()))
  const last = receivers.at(-1)
  if (last && isSilent) last.reply = () => undefined
  const all = Promise.withResolvers<void>()
  let left = (DESTINATIONS - 1) * EVENTS
  let charged = 0
  const name = `destinations ${isSilent}`
  const stops = [
    onSignal('event.published', ({ outbox, record }) => {
      if (outbox === name && record.subject !== String(DESTINATIONS - 1) && --left === 0) all.resolve()
    }),
    onSignal('event.retried', ({ outbox }) => {
      if (outbox === name) charged++
    }),
  ]
  const partners = webhook({
    url: ({ subject }) => receivers[Number(subject)]?.url ?? '',
    allowPrivateNetworks: true,
    timeout: 1_000,
  })
  const broadcaster = new Broadcaster({ store: memoryStore(), backends: { partners }, name })
  try {
    // One after the other, so that the silent one's are everywhere between those of the others.
    const events = Array.from({ length: EVENTS * DESTINATIONS }, (_, n) => {
      const subject = String(n % DESTINATIONS)
      return { type: 'a', source: '/x', subject, partitionKey: `${subject}:${n % 160}`, data: { n } }
    })
    await broadcaster.transaction((tx) => broadcaster.publishMany(tx, events))
    const started = performance.now()
    await broadcaster.worker({ pollInterval: 200 }).start()
    await all.promise
    const took = performance.now() - started
    assert.equal(charged, 0, 'nobody pays for it')
    return took
  } finally {
    for (const stop of stops) stop()
    // What is held back keeps nobody waiting.
    await Promise.all(receivers.map((receiver) => receiver.stop()))
    await broadcaster.close()
  }
}

/**
 * When a destination held up the others their rate fell to a twentieth. Nine tenths are usual; half is asked for, since the
 * two runs of a pair need not get the same share of a busy machine.
 */
const LEAST_RATE = 0.5

test('20 destinations of which one never answers keep the rate of 20 good ones', { timeout: 240_000 }, async (t) => {
  await deliver(false)
  const attempts: string[] = []
  for (let attempt = 0; attempt < 3; attempt++) {
    const good = await deliver(false)
    const one = await deliver(true)
    attempts.push(`${Math.round(good)} ms and ${Math.round(one)} ms`)
    if (good / one >= LEAST_RATE) return t.diagnostic(attempts.join('; '))
  }
  assert.fail(`all good, and one silent: ${attempts.join('; ')}`)
})
