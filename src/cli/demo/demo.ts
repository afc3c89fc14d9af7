import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { handlers } from '../../backend/handlers/handlers.ts'
import { Broadcaster } from '../../broadcaster.ts'
import type { DeliveryEvent } from '../../event/delivery-event.ts'
import { HandlerRegistry } from '../../handlers/handler-registry.ts'
import { sqlite } from '../../store/sqlite/sqlite.ts'
import { onSignal, type SignalName } from '../../telemetry/signals.ts'
import { webhook } from '../../webhook/webhook.ts'
import { Partner } from './partner.ts'
import { Shop } from './shop.ts'

/** What the demo saw and whether all of it is as it should be. */
export interface DemoReport {
  readonly ok: boolean
  readonly orders: { readonly committed: number; readonly rolledBack: number }
  readonly events: number
  readonly checks: readonly Check[]
  /** Milliseconds. */
  readonly duration: number
}

/**
 * A small shop on a SQLite file commits and rolls back orders; a worker delivers the events to local handlers and a
 * webhook; a handler fails and is retried; the webhook goes down and comes back. `say` prints a line of the story.
 */
export async function runDemo(say: (line: string) => void): Promise<DemoReport> {
  const folder = mkdtempSync(join(tmpdir(), 'broadcaster-demo-'))
  const partner = new Partner()
  await partner.open()
  try {
    return await tellStory(join(folder, 'shop.db'), partner, say)
  } finally {
    await partner.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

async function tellStory(path: string, partner: Partner, say: (line: string) => void): Promise<DemoReport> {
  const start = performance.now()
  const handled: DeliveryEvent[] = []
  let declines = 2
  let mails = 0
  const registry = new HandlerRegistry()
    .on('order.*', (event) => void handled.push(event), { name: 'bookkeeping' })
    .on(
      'order.paid',
      (event) => {
        if (event.subject !== 'order-4') return
        mails++
        if (declines-- > 0) throw new Error('the mail server is full')
      },
      { name: 'send-receipt' },
    )

  const broadcaster = new Broadcaster({
    store: sqlite({ path }),
    backends: { local: handlers(registry), partner: webhook({ url: partner.url }) },
    routes: [{ type: 'order.*', to: ['local', 'partner'] }],
    worker: { name: 'demo', retry: { base: 300, jitter: 'none' } },
  })
  await broadcaster.store.schema.migrate()
  const database = new DatabaseSync(path)
  const shop = new Shop(database, broadcaster)
  const count = new Counts(broadcaster.name)
  const narration = narrate(broadcaster.name, start, say)
  try {
    say('1. The shop takes 24 orders, each in one transaction with its events. Every third card is declined.')
    await shop.takeOrders(24)
    const written = await broadcaster.events.count()
    say(
      `   ${shop.committed} committed, ${shop.rolledBack} rolled back; ${written} outbox events stored, half for each backend.`,
    )
    say('2. A worker delivers them to local handlers and to the webhook of a partner.')
    const worker = broadcaster.worker()
    await worker.start()
    await count.until('event.published', written)
    say('3. The webhook goes down, and the shop goes on selling.')
    await partner.close()
    await shop.takeOrders(12)
    await count.until('backend.down', 1)
    const total = await broadcaster.events.count()
    await count.until('event.published', written + (total - written) / 2)
    say('   The handlers have everything: one backend never waits for another. The webhook comes back.')
    await partner.open()
    await count.until('event.published', total)
    await worker.stop()
    count.stop()

    say('4. What arrived, compared with what was committed:')
    const stored = await broadcaster.events.filter({}).orderBy('seq').all()
    const expected = stored.filter((event) => event.publisherBackend === 'partner').map((event) => event.eventId)
    const orders = database.prepare('SELECT count(*) AS count FROM orders').get()?.['count']
    const checks = [
      check(`${shop.committed} orders in the shop's table, and no other`, orders === shop.committed),
      check(
        `${expected.length} events reached the handlers, each once`,
        sameIds(
          expected,
          handled.map((event) => event.id),
        ),
      ),
      check(
        `${expected.length} events reached the webhook, each once`,
        sameIds(
          expected,
          partner.received.map((event) => event.id),
        ),
      ),
      check(
        "the handlers saw every customer's events in order",
        inOrder(
          handled.map((event) => [event.partitionKey, event.id]),
          expected,
        ),
      ),
      check(
        "the webhook saw every customer's events in order",
        inOrder(
          partner.received.map((event) => [event['partitionkey'], event.id]),
          expected,
        ),
      ),
      check('the receipt failed twice and was sent at the third try', mails === 3 && count.of('event.retried') === 2),
      check(
        'the outage cost no retries',
        stored.every((event) => event.publisherBackend === 'local' || event.retryCount === 0),
      ),
      check('the breaker opened once and closed once', count.of('backend.down') === 1 && count.of('backend.up') === 1),
      check(
        'nothing is left to deliver',
        stored.every((event) => event.status === 'published'),
      ),
    ]
    for (const { name, ok } of checks) say(`   ${ok ? 'ok  ' : 'FAIL'}  ${name}`)
    const duration = Math.round(performance.now() - start)
    const ok = checks.every((one) => one.ok)
    say(ok ? `Every check held, after ${(duration / 1000).toFixed(1)} s.` : 'A check FAILED.')
    const { committed, rolledBack } = shop
    return { ok, orders: { committed, rolledBack }, events: total, checks, duration }
  } finally {
    narration[Symbol.dispose]()
    database.close()
    await broadcaster.close()
  }
}

/** Counts signals of one outbox and waits for them. */
class Counts {
  readonly #counts = new Map<SignalName, number>()
  readonly #stops: (() => void)[]
  #look: (() => void) | undefined

  constructor(outbox: string) {
    const counted = ['event.published', 'event.retried', 'backend.down', 'backend.up'] as const
    this.#stops = counted.map((name) =>
      onSignal(name, (message) => {
        if (message.outbox !== outbox) return
        this.#counts.set(name, this.of(name) + 1)
        this.#look?.()
      }),
    )
  }

  of(name: SignalName): number {
    return this.#counts.get(name) ?? 0
  }

  /** Resolves when `count` came; rejects after 30 seconds. */
  async until(name: SignalName, count: number): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`waited 30 s for ${count} x ${name}, saw ${this.of(name)}`)),
        30_000,
      )
      this.#look = () => {
        if (this.of(name) < count) return
        clearTimeout(timer)
        resolve()
      }
      this.#look()
    })
    this.#look = undefined
  }

  stop(): void {
    for (const stop of this.#stops) stop()
  }
}

/** Prints the turns of the story as they happen. */
function narrate(outbox: string, start: number, say: (line: string) => void): Disposable {
  const tell = (line: string): void =>
    say(`   ${((performance.now() - start) / 1000).toFixed(2).padStart(6)} s  ${line}`)
  const of = (message: { readonly outbox: string }): boolean => message.outbox === outbox
  const published = new Map<string, number>()
  const stops = [
    onSignal(
      'lane.gained',
      (said) => of(said) && tell(`the worker owns ${said.lanes.length} lanes of '${said.backend}'`),
    ),
    onSignal('event.published', (said) => {
      if (of(said)) published.set(said.backend, (published.get(said.backend) ?? 0) + 1)
    }),
    onSignal('event.retried', (said) => {
      if (of(said))
        tell(
          `${said.record.subject}: '${(said.error as Error).message}'; attempt ${said.retryCount} of ${said.record.maxRetries}, next in ${said.delay} ms`,
        )
    }),
    onSignal(
      'backend.down',
      (said) => of(said) && tell(`'${said.backend}' cannot be reached: its breaker opens, its events wait`),
    ),
    onSignal('backend.up', (said) => of(said) && tell(`'${said.backend}' is back: its breaker closes`)),
    onSignal('worker.stopped', (said) => {
      if (of(said))
        tell(`the worker stopped; delivered ${[...published].map(([name, n]) => `${n} to '${name}'`).join(', ')}`)
    }),
  ]
  return {
    [Symbol.dispose]() {
      for (const stop of stops) stop()
    },
  }
}

/** One statement about the outcome, and whether it held. */
interface Check {
  readonly name: string
  readonly ok: boolean
}

function check(name: string, ok: boolean): Check {
  return { name, ok }
}

/** The same ids, each once, in any order. */
function sameIds(expected: readonly string[], seen: readonly string[]): boolean {
  return expected.length === seen.length && new Set([...expected, ...seen]).size === expected.length
}

/** Within every key the ids come in the order of `expected`. */
function inOrder(seen: readonly (readonly [key: unknown, id: string])[], expected: readonly string[]): boolean {
  const places = new Map(expected.map((id, place) => [id, place]))
  const last = new Map<unknown, number>()
  return seen.every(([key, id]) => {
    const place = places.get(id) ?? -1
    const before = last.get(key) ?? -1
    last.set(key, place)
    return place > before
  })
}
