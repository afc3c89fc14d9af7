import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { Backend } from '../../src/backend/backend.ts'
import { Broadcaster } from '../../src/broadcaster.ts'
import type { WorkerOptions } from '../../src/relay/worker-options.ts'
import { sqlite } from '../../src/store/sqlite/sqlite.ts'
import type { Store } from '../../src/store/store.ts'
import { onSignal, SIGNAL_NAMES, type SignalMessage, type SignalName } from '../../src/telemetry/signals.ts'
import { QUICK } from './outbox.ts'

type Said = { [Name in SignalName]: { readonly name: Name } & SignalMessage<Name> }[SignalName]

/** Makes the outboxes of one test, listens to all of them, and closes everything at its end. */
export class Tenants {
  readonly said: Said[] = []
  readonly folder = mkdtempSync(join(tmpdir(), 'broadcaster-tenants-'))
  readonly #mark = randomUUID().slice(0, 8)
  readonly #made: Broadcaster[] = []
  readonly #waiting = new Set<() => void>()

  constructor(t: Pick<TestContext, 'after'>) {
    const stops = SIGNAL_NAMES.map((signal) =>
      onSignal(signal, (message) => {
        if (!message.outbox.endsWith(this.#mark)) return
        this.said.push({ name: signal, ...message } as Said)
        for (const look of this.#waiting) look()
      }),
    )
    t.after(async () => {
      await Promise.all(this.#made.map((broadcaster) => broadcaster.close()))
      for (const stop of stops) stop()
      rmSync(this.folder, { recursive: true })
    })
  }

  /** An outbox on this store; by default on a migrated SQLite file of its own. */
  async open(
    name: string,
    backends: Record<string, Backend>,
    store?: Store,
    worker?: WorkerOptions,
  ): Promise<Broadcaster> {
    const own = store ?? (sqlite({ path: join(this.folder, `${name}.db`) }) as Store)
    if (store === undefined) await own.schema.migrate({ lanes: 8 })
    const options = { store: own, backends, name: `${name}-${this.#mark}`, worker: { ...QUICK, ...worker } }
    const broadcaster = new Broadcaster(options)
    this.#made.push(broadcaster)
    return broadcaster
  }

  heard<Name extends SignalName>(signal: Name, { name }: Broadcaster): readonly SignalMessage<Name>[] {
    return this.said.filter((one) => one.name === signal && one.outbox === name) as unknown as SignalMessage<Name>[]
  }

  /** How many events of this outbox were published. */
  published(broadcaster: Broadcaster): number {
    return this.heard('event.published', broadcaster).length
  }

  /** Resolves when `condition` holds, looked at after every signal; rejects after twenty seconds. */
  async until(condition: () => boolean, what = condition.toString()): Promise<void> {
    if (condition()) return
    await new Promise<void>((resolve, reject) => {
      const end = (finish: () => void): void => {
        clearTimeout(timer)
        this.#waiting.delete(look)
        finish()
      }
      const look = (): void => {
        if (condition()) end(resolve)
      }
      const last = () => this.said.slice(-12).map(({ name, outbox }) => `${outbox} ${name}`)
      const timer = setTimeout(() => end(() => reject(new Error(`never came: ${what}; heard ${last()}`))), 20_000)
      this.#waiting.add(look)
    })
  }
}

/** Publishes events in one transaction, without a key or with this one; the data counts from 1. */
export async function publish(broadcaster: Broadcaster, count: number, key?: string): Promise<void> {
  const events = Array.from({ length: count }, (_, n) => ({
    type: 'test.happened',
    source: `/${broadcaster.name}`,
    data: n + 1,
    ...(key !== undefined && { partitionKey: key }),
  }))
  await broadcaster.transaction((tx) => broadcaster.publishMany(tx, events))
}
