import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Backend } from '../../src/backend/backend.ts'
import type { Conclusion } from '../../src/relay/conclusion.ts'
import type { CycleOptions } from '../../src/relay/cycle-options.ts'
import type { HeldEvent } from '../../src/relay/held-event.ts'
import { SendBuffer } from '../../src/relay/send-buffer.ts'
import { SendRates, type SendRatesParts } from '../../src/relay/send-rates.ts'
import { Traffic } from '../../src/relay/traffic.ts'
import { type PermitRequest, type Permits, takePermits } from '../../src/store/permits.ts'
import { DrivenClock } from './driven-clock.ts'

const done = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** The rates that workers share, by a clock of the test. */
class SharedRates {
  readonly taken = new Map<string, number>()
  readonly #spent = new Map<string, number>()
  readonly #clock: DrivenClock

  constructor(clock: DrivenClock) {
    this.#clock = clock
  }

  async take(_backend: string, place: string, request: PermitRequest): Promise<Permits> {
    const now = this.#clock.now()
    const { spent, ...permits } = takePermits((this.#spent.get(place) ?? now) - now, request)
    if (spent !== null) this.#spent.set(place, now + spent)
    this.taken.set(place, (this.taken.get(place) ?? 0) + permits.taken)
    return permits
  }
}

/** A worker that sends at once what its rates let go, and has always more for each of its places. */
class Worker {
  readonly sent = new Map<string, number>()
  readonly #buffer = new SendBuffer()
  readonly #traffic: Traffic
  #seq = 0

  constructor(
    clock: DrivenClock,
    store: SharedRates,
    rates: Pick<Backend, 'rate' | 'destinationRate'>,
    places: string[],
  ) {
    const options = {
      ...{ name: 'main', worker: 'w', batchSize: 10, concurrency: 2, maxInHand: 100, clock, store },
      backend: { ...rates, destination: () => undefined },
      signals: { emit: () => undefined },
      onError: (error: unknown) => assert.fail(String(error)),
    }
    const sendRates = new SendRates(options as unknown as SendRatesParts, () => this.dispatch())
    const rest = { ...options, store: { coordination: { destinations: {} } } }
    this.#traffic = new Traffic(rest as unknown as CycleOptions, {} as Conclusion, sendRates)
    for (const place of places) for (let n = 0; n < 10; n++) this.#add(place)
  }

  #add(destination: string): void {
    const seq = this.#seq++
    const held = { id: String(seq), seq, key: null, destination, bytes: 0, alone: false, apart: false }
    this.#buffer.add(held as unknown as HeldEvent)
  }

  /** As a cycle does. */
  dispatch(): void {
    while (this.#traffic.mayBegin(this.#buffer, 2)) {
      const batch = this.#traffic.take(this.#buffer)
      if (batch.length === 0) return void this.#traffic.mayBegin(this.#buffer, 2)
      const place = batch[0]?.destination ?? assert.fail()
      this.sent.set(place, (this.sent.get(place) ?? 0) + batch.length)
      this.#buffer.done(batch)
      for (const { destination = '' } of batch) this.#add(destination)
    }
  }
}

async function run(clock: DrivenClock, duration: number): Promise<void> {
  const end = clock.now() + duration
  while (clock.now() < end) {
    await done()
    clock.advance(Math.min(clock.next, end - clock.now()))
  }
}

function total(workers: readonly Worker[]): number {
  return workers.flatMap(({ sent }) => [...sent.values()]).reduce((sum, count) => sum + count, 0)
}

test('a slow rate of a backend and a slow one of each destination do not starve each other', async () => {
  for (const [own, ofPlaces, workers] of [
    [2_000, 2_000, 1],
    [2_000, 7_000, 1],
    [7_000, 2_000, 1],
    [60_000, 3_600_000, 1],
    [2_000, 3_000, 3],
    [7_200_000, 3_600_000, 2],
    [3_600_000, 7_200_000, 2],
    [3_000, 2_000, 3],
    [3_000, 2_000, 8],
    [5_000, 600, 5],
    [600, 5_000, 5],
    [20_000, 100, 8],
    [100, 20_000, 8],
  ] as const) {
    const clock = new DrivenClock()
    const store = new SharedRates(clock)
    const rates = { rate: { events: 1, per: own }, destinationRate: { events: 1, per: ofPlaces } }
    const all = Array.from({ length: workers }, () => new Worker(clock, store, rates, ['there']))
    for (const worker of all) worker.dispatch()
    const slower = Math.max(own, ofPlaces)
    await run(clock, 100 * slower)
    const sent = total(all)
    assert.ok(sent >= 85 && sent <= 102, `${sent} of 100 at ${own} and ${ofPlaces} ms, ${workers} workers`)
  }
})

test('what only waits for its destination takes nothing of the rate of its backend from other workers', async () => {
  const clock = new DrivenClock()
  const store = new SharedRates(clock)
  const rates = { rate: { events: 50, per: 1_000 }, destinationRate: { events: 1, per: 10_000 } }
  const held = new Worker(clock, store, rates, ['slow'])
  held.dispatch()
  for (let n = 0; n < 100; n++) {
    await run(clock, 1_000)
    // Whatever else happens there.
    held.dispatch()
  }
  const sent = total([held])
  assert.ok(sent >= 9, `${sent}`)
  assert.equal(store.taken.get(''), sent)
})

test('once stopped it asks for no destination, and few are asked for at once', async () => {
  const asked: ((permits: Permits) => void)[] = []
  const parts = {
    ...{
      name: 'main',
      worker: 'w',
      signals: { emit: () => undefined },
      onError: assert.fail,
      clock: new DrivenClock(),
    },
    backend: { destinationRate: '10/s' },
    store: { take: () => new Promise<Permits>((resolve) => asked.push(resolve)) },
  }
  let opened = 0
  const rates = new SendRates(parts as unknown as SendRatesParts, () => opened++)
  for (let n = 0; n < 100; n++) rates.want(`place ${n}`, 1)
  await done()
  assert.equal(asked.length, 4)
  for (let n = 0; n < 50; n++) {
    asked[n]?.({ taken: 1, wait: 0 })
    await done()
  }
  assert.equal(asked.length, 54)
  assert.equal(opened, 50)
  assert.equal(rates.leftTo('place 49'), 1)
  assert.equal(rates.leftTo('place 50'), 0)
  rates.stop()
  rates.want('place 200', 1)
  for (let n = 50; n < asked.length; n++) {
    asked[n]?.({ taken: 1, wait: 0 })
    await done()
  }
  assert.deepEqual([opened, asked.length], [50, 54], 'what waited to be asked for is not, once it is stopped')
})
