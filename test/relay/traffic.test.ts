/** What the results of a send mean for the places behind a backend. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { delivered, notDelivered } from '../../src/backend/backend.ts'
import { OutageError } from '../../src/backend/send-error.ts'
import type { Conclusion } from '../../src/relay/conclusion.ts'
import type { CycleOptions } from '../../src/relay/cycle-options.ts'
import type { HeldEvent } from '../../src/relay/held-event.ts'
import { SendRates } from '../../src/relay/send-rates.ts'
import { Traffic } from '../../src/relay/traffic.ts'

const held = (id: string, destination: string | undefined): HeldEvent =>
  ({ id, destination, key: null, lane: { number: 0 }, retryCount: 0, maxRetries: 3 }) as unknown as HeldEvent

test('an outage of one place defers its events, those in the buffer too, and is none of the backend', async () => {
  const did: string[] = []
  const say =
    (what: string) =>
    async (_name: string, place: string): Promise<boolean> => {
      did.push(`${what} ${place}`)
      return true
    }
  const waiting = [held('c', 'there'), held('d', 'elsewhere')]
  const conclusion = {
    conclude: ({ id }: HeldEvent) => did.push(`conclude ${id}`),
    defer: ({ id }: HeldEvent) => did.push(`defer ${id}`),
    removeWhere: (test: (event: HeldEvent) => boolean) => waiting.filter(test),
  }
  const options = {
    name: 'main',
    worker: 'w',
    backend: { destination: () => undefined },
    batchSize: 10,
    concurrency: 1,
    maxInHand: 100,
    timeout: 1_000,
    breaker: {},
    signals: { emit: () => undefined },
    onError: (error: unknown) => assert.fail(String(error)),
    failure: { retry: {}, onFailed: 'block', erasePublished: false, maxRetryAfter: 0, random: () => 0 },
    store: { coordination: { destinations: { open: say('open'), close: say('close') } } },
  }
  const rates = new SendRates(options as unknown as ConstructorParameters<typeof SendRates>[0], () => undefined)
  const traffic = new Traffic(options as unknown as CycleOptions, conclusion as unknown as Conclusion, rates)
  const batch = [held('a', 'there'), held('b', 'elsewhere')]
  const outage = notDelivered(new OutageError('away'))
  const judgement = await traffic.conclude(batch, [outage, delivered], new Set())
  assert.equal(judgement.outage, undefined)
  assert.deepEqual(did, ['open there', 'defer a', 'conclude b', 'defer c'])

  did.length = 0
  const whole = await traffic.conclude([held('e', undefined)], [outage], new Set())
  assert.equal(whole.outage?.kind, 'outage')
  assert.deepEqual(did, ['conclude e'])
})
