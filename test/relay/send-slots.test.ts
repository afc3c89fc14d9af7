import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { Backend } from '../../src/backend/backend.ts'
import { type SendShare, SendSlots, type SlotUser } from '../../src/relay/send-slots.ts'
import { SendTurns } from '../../src/relay/send-turns.ts'

function backend(): Backend {
  return { send: async () => [], healthCheck: async () => ({ healthy: true }), close: async () => undefined }
}

/** An outbox with a backlog: takes whatever slot it is offered, for a batch of so many events. */
class Sender {
  readonly sent: number[] = []
  readonly share: SendShare
  readonly #turns: SendTurns
  readonly #backend: Backend
  readonly #log: Sender[]
  #backlog: number
  readonly #batch: number
  flying = 0

  constructor(
    slots: SendSlots,
    to: Backend,
    log: Sender[],
    options: { batch: number; backlog: number; most?: number },
  ) {
    this.share = slots.share()
    this.#backend = to
    this.#log = log
    this.#batch = options.batch
    this.#backlog = options.backlog
    this.#turns = new SendTurns(options.most ?? 100, this.#backend, this.share, () => this.dispatch())
  }

  get waits(): boolean {
    return this.#backlog > 0
  }

  get events(): number {
    return this.sent.reduce((sum, count) => sum + count, 0)
  }

  add(events: number): void {
    this.#backlog += events
    this.dispatch()
  }

  dispatch(): void {
    while (this.#backlog > 0 && this.#turns.begin()) {
      const events = Math.min(this.#batch, this.#backlog)
      this.#backlog -= events
      this.#turns.charge(events)
      this.flying++
      this.sent.push(events)
      this.#log.push(this)
    }
  }

  /** The oldest of its sends is acknowledged. */
  answer(): void {
    this.flying--
    this.#turns.end()
    this.dispatch()
  }
}

describe('slots that outboxes share', () => {
  test('the single event of one goes next, whatever another has waiting', () => {
    const slots = new SendSlots({ inAll: 4, atBackend: 4 })
    const log: Sender[] = []
    const to = backend()
    const bigs = [500, 400].map((batch) => new Sender(slots, to, log, { batch, backlog: 1_000_000 }))
    for (const big of bigs) big.dispatch()
    for (let n = 0; n < 20; n++) log.find(({ flying }) => flying > 0)?.answer()
    const small = new Sender(slots, to, log, { batch: 500, backlog: 1 })
    small.dispatch()
    assert.equal(small.flying, 0, 'no slot is free')
    log.find(({ flying }) => flying > 0)?.answer()
    assert.equal(small.flying, 1)
    assert.equal(log.at(-1), small)
  })

  test('shares are counted in events: small batches are not worth less than large ones', () => {
    const slots = new SendSlots({ inAll: 1, atBackend: 1 })
    const log: Sender[] = []
    const to = backend()
    const large = new Sender(slots, to, log, { batch: 100, backlog: 1_000_000 })
    const little = new Sender(slots, to, log, { batch: 7, backlog: 1_000_000 })
    large.dispatch()
    little.dispatch()
    for (let n = 0; n < 2_000; n++) log.at(-1)?.answer()
    assert.ok(large.events > 5_000)
    assert.ok(Math.abs(large.events - little.events) <= 107, `${large.events} and ${little.events}`)
  })

  test('who was idle has saved up nothing', () => {
    const slots = new SendSlots({ inAll: 1, atBackend: 1 })
    const log: Sender[] = []
    const to = backend()
    const busy = new Sender(slots, to, log, { batch: 10, backlog: 1_000_000 })
    const idle = new Sender(slots, to, log, { batch: 10, backlog: 0 })
    busy.dispatch()
    for (let n = 0; n < 100; n++) log.at(-1)?.answer()
    idle.add(1_000_000)
    const before = busy.events
    for (let n = 0; n < 100; n++) log.at(-1)?.answer()
    assert.ok(Math.abs(busy.events - before - idle.events) <= 20, `${busy.events - before} and ${idle.events}`)
  })

  test('a backend that does not answer takes its own slots and no more', () => {
    const slots = new SendSlots({ inAll: 8, atBackend: 4 })
    const log: Sender[] = []
    const stuck = backend()
    for (let n = 0; n < 5; n++) new Sender(slots, stuck, log, { batch: 1, backlog: 10 }).dispatch()
    assert.equal(slots.inUse, 4)
    const other = new Sender(slots, backend(), log, { batch: 1, backlog: 10 })
    other.dispatch()
    assert.equal(other.flying, 4)
    other.answer()
    assert.equal(other.flying, 4, 'the stuck ones wait for their backend, not for its slot')
  })

  test('a slot that nobody takes goes to the next in turn', () => {
    const slots = new SendSlots({ inAll: 1, atBackend: 1 })
    const log: Sender[] = []
    const to = backend()
    const first = new Sender(slots, to, log, { batch: 1, backlog: 1 })
    first.dispatch()
    // Its lease has ended since it asked.
    const gone: SlotUser = { share: slots.share(), backend: to, grant: () => false }
    assert.equal(slots.take(gone), false)
    const next = new Sender(slots, to, log, { batch: 1, backlog: 1 })
    next.dispatch()
    first.answer()
    assert.equal(next.flying, 1)
    next.answer()
    assert.equal(slots.inUse, 0)
  })

  test('what waits for a store meanwhile lends its slot', async () => {
    const slots = new SendSlots({ inAll: 1, atBackend: 1 })
    const to = backend()
    const log: Sender[] = []
    const turns = new SendTurns(4, to, slots.share(), () => undefined)
    assert.ok(turns.begin())
    const stored = Promise.withResolvers<string>()
    const aside = turns.aside(() => stored.promise)
    const other = new Sender(slots, to, log, { batch: 1, backlog: 2 })
    other.dispatch()
    assert.equal(other.flying, 1)
    stored.resolve('stored')
    let back = false
    const done = aside.then((value) => {
      back = true
      return value
    })
    await new Promise((resolve) => setImmediate(resolve))
    assert.equal(back, false, 'it has its slot again only when one is free')
    other.answer()
    assert.equal(await done, 'stored')
    turns.end()
    assert.equal(other.flying, 1)
    other.answer()
    assert.equal(slots.inUse, 0)
  })

  test('whatever happens: no limit is exceeded, no slot is left over while somebody could use it', () => {
    const limits = fc.record({ inAll: fc.integer({ min: 1, max: 6 }), atBackend: fc.integer({ min: 1, max: 4 }) })
    const step = fc.record({ who: fc.nat(5), add: fc.nat(30), answer: fc.boolean() })
    fc.assert(
      fc.property(limits, fc.array(step, { maxLength: 200 }), (options, steps) => {
        const slots = new SendSlots(options)
        const log: Sender[] = []
        const backends = [backend(), backend()]
        const senders = Array.from({ length: 6 }, (_, n) => {
          const to = backends[n % 2] ?? backend()
          return new Sender(slots, to, log, { batch: n + 1, backlog: 0, most: 1 + (n % 3) })
        })
        const flyingAt = (n: number) =>
          senders.filter((_, at) => at % 2 === n).reduce((sum, { flying }) => sum + flying, 0)
        for (const { who, add, answer } of steps) {
          const sender = senders[who]
          if (sender === undefined) continue
          if (!answer) sender.add(add)
          else if (sender.flying > 0) sender.answer()
          assert.equal(slots.inUse, flyingAt(0) + flyingAt(1))
          assert.ok(slots.inUse <= options.inAll)
          for (const n of [0, 1]) {
            assert.ok(flyingAt(n) <= options.atBackend)
            const couldGo = senders.some((one, at) => at % 2 === n && one.waits && one.flying < 1 + (at % 3))
            if (couldGo) assert.ok(slots.inUse === options.inAll || flyingAt(n) === options.atBackend)
          }
        }
      }),
    )
  })
})
