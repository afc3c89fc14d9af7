import { BroadcasterError } from '../errors.ts'
import type { Catalogue, NoCatalogue } from '../event/catalogue.ts'
import { closeWithin } from '../foundation/close-within.ts'
import { Pause } from '../foundation/pause.ts'
import { settles } from '../foundation/waiting.ts'
import type { Health, HealthOptions, Liveness } from '../health/health.ts'
import type { Inbox } from '../inbox/inbox.ts'
import { SignalSource } from '../telemetry/signals.ts'
import { AloneGate } from './alone-gate.ts'
import { Attempts } from './attempts.ts'
import { type BacklogWatch, backlogWatch } from './backlog-watch.ts'
import { ConsumerHealth } from './consumer-health.ts'
import {
  type ConsumerOptions,
  type ConsumerSettings,
  resolveConsumerSettings,
  resolveHandling,
} from './consumer-options.ts'
import { type DeliverySignals, deliverySignals } from './delivery-signals.ts'
import { type InboxPruning, inboxPruning } from './inbox-pruning.ts'
import { type DeliveryInHand, Intake } from './intake.ts'
import { Reception } from './reception.ts'
import { Sleepers } from './sleepers.ts'
import { startPatiently } from './start-patiently.ts'
import type { Delivery, Subscription } from './subscription.ts'
import { verdictOn } from './verdict.ts'

/** The least time that a subscription has to close, in milliseconds: most hand back what was in hand. */
const CLOSE_TIME = 5_000
/** How long `stop` waits for handlers after their signals have aborted, in milliseconds. */
const LAST_MOMENT = 1_000

/**
 * Takes messages from a broker and handles each event once: several keys at a time, the events of a key one after the
 * other. A handler that fails is called again; a message that cannot be handled goes to the dead-letter place.
 * Several processes with the same name share the work.
 *
 * @example
 * const consumer = new Consumer({
 *   name: 'billing',
 *   subscription: redisStreamsSubscription({ url, stream: 'events' }),
 *   store,
 *   handlers: { 'order.created': async (event, { tx }) => tx.query('INSERT INTO invoices ...', [event.data]) },
 * })
 * await consumer.start()
 */
export class Consumer<Tx = unknown, Events extends Catalogue | NoCatalogue = NoCatalogue> {
  /** The name it was given: part of what the inbox remembers. */
  readonly name: string
  readonly #subscription: Subscription
  readonly #settings: ConsumerSettings
  readonly #attempts: Attempts<Tx>
  readonly #signals: SignalSource
  readonly #telling: DeliverySignals
  readonly #complain = (error: unknown): void => this.#signals.emit('consumer.error', { consumer: this.name, error })
  readonly #intake = new Intake()
  readonly #reception: Reception
  readonly #beside: (InboxPruning | BacklogWatch)[]
  /** Work in progress, by delivery. */
  readonly #working = new Map<DeliveryInHand, Promise<void>>()
  readonly #alone: AloneGate
  readonly #health: ConsumerHealth
  /** Retries to come. */
  readonly #sleepers = new Sleepers()
  /** Aborts the handlers that still run when `stop` has waited long enough. */
  readonly #hurry = new AbortController()
  readonly #ended = Promise.withResolvers<void>()
  readonly #inbox: Pick<Inbox, 'check'> | undefined
  /** Between two attempts to start. */
  readonly #startPause = new Pause()
  #starting: Promise<void> | undefined
  #running: Promise<unknown> = Promise.resolve()
  #stopping: Promise<void> | undefined
  #failure: { readonly error: unknown } | undefined

  /** Throws `INVALID_OPTION`. Opens nothing. */
  constructor(options: ConsumerOptions<Tx, Events>) {
    this.#settings = resolveConsumerSettings(options)
    const handling = { ...resolveHandling(options), messaging: () => this.#subscription.messaging }
    this.name = handling.consumer
    this.#subscription = options.subscription
    this.#signals = new SignalSource(this.name, handling.logger)
    this.#telling = deliverySignals(this.name, this.#signals, handling.messaging)
    this.#alone = new AloneGate(this.#settings.handlerTimeout, () => this.#work())
    this.#attempts = new Attempts({
      handling,
      settings: this.#settings,
      telling: this.#telling,
      hurry: this.#hurry.signal,
      onError: this.#complain,
    })
    this.#reception = new Reception({
      subscription: this.#subscription,
      intake: this.#intake,
      maxInHand: this.#settings.maxInHand,
      onDeliveries: () => this.#work(),
      onError: this.#complain,
    })
    this.#beside = [backlogWatch(this.name, this.#subscription, this.#signals)]
    this.#inbox = handling.once?.inbox
    this.#health = new ConsumerHealth(this.name, this.#reception, this.#inbox)
    const { pruneInboxAfter: age } = this.#settings
    if (handling.once && age !== null) this.#beside.push(inboxPruning(handling.once.inbox, age, this.#complain))
  }

  /**
   * Checks the inbox, connects, and begins to receive. A database or broker that is down is reported (`consumer.error`)
   * and waited for until `stop`; with `failFast`, `start` rejects. Rejects with `SCHEMA_MISSING` and whatever waiting
   * cannot fix. A consumer starts once: make a new one to start again.
   */
  start(): Promise<void> {
    if (this.#stopping !== undefined)
      return Promise.reject(new BroadcasterError('CLOSED', `consumer '${this.name}' was stopped`))
    return (this.#starting ??= this.#start())
  }

  /** Stops receiving, waits at most `stopTimeout` for handlers, gives back the rest, closes all. Idempotent. */
  stop(): Promise<void> {
    return (this.#stopping ??= this.#stop())
  }

  /** Starts, handles until `signal` aborts, and stops. Rejects when it stopped by itself: `onGiveUp: 'stop'`. */
  async run(signal?: AbortSignal): Promise<void> {
    const onAbort = (): void => void this.stop()
    signal?.addEventListener('abort', onAbort, { once: true })
    try {
      if (!signal?.aborted) {
        await this.start()
        await this.#ended.promise
      }
    } finally {
      signal?.removeEventListener('abort', onAbort)
      await this.stop()
    }
    if (this.#failure) throw this.#failure.error
  }

  /** For `await using`: the same as `stop`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  /** Whether its loop turns: known at once, without asking a server. */
  liveness(): Liveness {
    return this.#health.liveness()
  }

  /** Ready: it has started, its last receive did not fail, and its database answers. Throws `INVALID_OPTION`. */
  health(options?: HealthOptions): Promise<Health> {
    return this.#health.health(options)
  }

  async #start(): Promise<void> {
    const onGap = (error: BroadcasterError): void =>
      this.#signals.emit('consumer.gap', { consumer: this.name, subscription: this.#subscription.description, error })
    const context = { consumer: this.name, onGap, onTrouble: this.#complain }
    const open = (): Promise<void> => this.#subscription.open(context, this.#hurry.signal)
    const isOver = (): boolean => this.#stopping !== undefined
    const steps = [async () => this.#inbox?.check(), open]
    const how = { failFast: this.#settings.failFast, pause: this.#startPause, isOver, onError: this.#complain }
    const started = await startPatiently({ steps, ...how }).catch(async (error: unknown) => {
      // Nobody will stop what did not start.
      await this.#subscription.close()
      throw error
    })
    if (!started || this.#stopping !== undefined) return
    this.#running = Promise.all([this.#reception, ...this.#beside].map((loop) => loop.run()))
    this.#signals.emit('consumer.started', { consumer: this.name, subscription: this.#subscription.description })
  }

  async #stop(): Promise<void> {
    this.#startPause.end()
    this.#reception.stop()
    for (const loop of this.#beside) loop.stop()
    const started = this.#starting?.then(
      () => true,
      () => false,
    )
    const end = performance.now() + this.#settings.stopTimeout
    const left = (): number => Math.max(0, end - performance.now())
    if (started && !(await settles(started, { timeout: left() }))) this.#hurry.abort()
    await settles(this.#running, { timeout: left() })
    this.#sleepers.clear()
    if (!(await settles(this.#idle(), { timeout: left() }))) {
      this.#hurry.abort()
      await settles(this.#idle(), { timeout: LAST_MOMENT })
    }
    // Not before the handlers have ended: another process would begin with the next event of a key that is being
    // handled.
    this.#intake.clear()
    // Gives all back at once: a message released by itself could be delivered to us again, after later ones.
    const what = `the subscription of consumer '${this.name}'`
    const timeout = Math.max(CLOSE_TIME, left())
    await closeWithin(what, () => this.#subscription.close(), { timeout }).catch(this.#complain)
    // A start that hangs despite its signal is left alone.
    const isUp = started && (await settles(started, { timeout: 0 })) && (await started)
    if (isUp) this.#signals.emit('consumer.stopped', { consumer: this.name })
    this.#ended.resolve()
  }

  async #idle(): Promise<void> {
    while (this.#working.size > 0) await Promise.all(this.#working.values())
  }

  /** Begins work on what is ready, as far as `concurrency` allows. */
  #work(): void {
    while (this.#stopping === undefined && !this.#alone.taken && this.#working.size < this.#settings.concurrency) {
      const held = this.#intake.take()
      if (held === undefined) return
      if (!this.#alone.begin(held, this.#working.size)) {
        this.#intake.putBack(held)
        return
      }
      const work = this.#attempt(held).finally(() => {
        this.#working.delete(held)
        this.#alone.end(held)
        this.#work()
      })
      this.#working.set(held, work)
    }
  }

  /** Never rejects. */
  async #attempt(held: DeliveryInHand): Promise<void> {
    const { delivery } = held
    if (delivery.lost?.aborted) return this.#remove(held)
    try {
      if (held.givenUp === undefined && !(await this.#attempts.make(held))) return this.#intake.putBackAlone(held)
      if (held.givenUp === undefined) await this.#acknowledge(delivery)
      else await this.#giveUp(held, held.givenUp.error)
      this.#remove(held)
    } catch (error) {
      try {
        this.#decide(held, error)
      } catch (problem) {
        // A bug in the decision must end neither the process nor the work on this key.
        this.#complain(problem)
        this.#sleep(held, 1_000)
      }
    }
  }

  /** Decides what happens to a delivery that was not concluded. */
  #decide(held: DeliveryInHand, thrown: unknown): void {
    // What is left in the intake is given back when all handlers have ended.
    if (this.#stopping !== undefined) return
    if (held.delivery.lost?.aborted) return void this.#remove(held)
    // The dead-letter place did not take it: an outage, whatever it says.
    const counted = held.givenUp === undefined
    const verdict = verdictOn(thrown, held.failures + 1, held.uncounted + 1, this.#settings, Math.random())
    if (counted && verdict.kind === 'give-up') {
      held.givenUp = { error: verdict.error }
      this.#intake.putBack(held)
      return
    }
    const delay = verdict.kind === 'retry' ? verdict.delay : 1_000
    if (counted && verdict.kind === 'retry' && verdict.counted) {
      held.failures++
      held.uncounted = 0
    } else held.uncounted++
    const { event } = held.delivery
    if (held.givenUp || event === undefined) this.#complain(thrown)
    else this.#telling.retried(event, { attempt: held.attempts, duration: held.took }, delay, thrown)
    this.#sleep(held, delay)
  }

  /** Waits for the next attempt, or until the delivery is lost: it then comes again, and finds its key free. */
  #sleep(held: DeliveryInHand, delay: number): void {
    const goOn = (change: () => void) => (): void => {
      change()
      this.#work()
    }
    this.#sleepers.add(delay, held.delivery.lost, {
      again: goOn(() => this.#intake.putBack(held)),
      onLost: goOn(() => this.#remove(held)),
    })
  }

  /** It is handled: if the broker does not learn of it, it delivers it again, and the inbox knows it. */
  #acknowledge(delivery: Delivery): Promise<void> {
    return delivery.acknowledge().catch(this.#complain)
  }

  async #giveUp(held: DeliveryInHand, error: unknown): Promise<void> {
    const { delivery, attempts, took } = held
    if (this.#settings.onGiveUp === 'stop') {
      this.#failure ??= { error }
      void this.stop()
      throw error
    }
    await delivery.deadLetter({ consumer: this.name, error, attempts })
    this.#telling.failed(delivery.event, { attempt: attempts, duration: took }, error)
    await this.#attempts.gaveUp(held)
  }

  #remove(held: DeliveryInHand): void {
    this.#intake.remove(held)
    this.#reception.makeRoom()
  }
}
