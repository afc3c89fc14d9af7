import { randomUUID } from 'node:crypto'
import { errorOfConnection } from '../../backend/redis-streams/reply-error.ts'
import { BroadcasterError } from '../../errors.ts'
import { type Held, HeldDeliveries } from '../held-deliveries.ts'
import { orderKeyOf } from '../order-key.ts'
import type { DeadLetterReason, Delivery, Subscription, SubscriptionContext } from '../subscription.ts'
import { appendDeadLetter } from './dead-letter.ts'
import { GapWatch } from './gap-watch.ts'
import { type Entry, GroupMember } from './group.ts'
import { IdBatch } from './id-batch.ts'
import { ReaderLease } from './lease.ts'
import { RedisLetterPlace } from './letter-place.ts'
import { RedisLink } from './link.ts'
import {
  type RedisStreamsSubscriptionOptions,
  type ResolvedRedisSubscriptionOptions,
  resolveSubscriptionOptions,
} from './options.ts'
import { isForAnother, readEntry } from './read-entry.ts'
import { pause, untilAborted } from './until-aborted.ts'

export type { RedisStreamsSubscriptionOptions } from './options.ts'

/**
 * Receives from a consumer group of a Redis stream. Needs Redis 6.2, Valkey, or what speaks their protocol. Guarantees and
 * advice for production are in `docs/backends/redis-streams.md`.
 *
 * @example redisStreamsSubscription({ url: 'redis://localhost:6379/0', stream: 'events' })
 */
export function redisStreamsSubscription(options: RedisStreamsSubscriptionOptions = {}): Subscription {
  return new RedisStreamsSubscription(resolveSubscriptionOptions(options))
}

/** How long Redis holds a read open that finds nothing, and how often an injected client looks; in milliseconds. */
const BLOCK = 1_000
const POLL = 100
/** We count less than Redis does, for the way there. */
const MARGIN = 0.9

class RedisStreamsSubscription implements Subscription {
  readonly description: string
  readonly #options: ResolvedRedisSubscriptionOptions
  /** A name that nobody had before: what Redis counts as ours, we were given. */
  readonly #name = `broadcaster-${randomUUID()}`
  readonly #reader: RedisLink
  readonly #writer: RedisLink
  readonly #held = new HeldDeliveries<Entry>()
  readonly #acknowledged = new IdBatch((ids) => this.#member.acknowledge(this.#writer.run, ids))
  readonly #released = new IdBatch((ids) => this.#member.release(this.#writer.run, ids))
  #member: GroupMember
  #lease: ReaderLease | undefined
  /** Until when we alone may read, by the monotonic clock. */
  #leaseUntil = 0
  /** Received and not handed out yet. */
  #waiting: Held<Entry>[] = []
  #consumer = ''
  #attached = false
  #reading: Promise<void> | undefined
  /** Where to go on with our own entries; undefined = there are none that we do not know. */
  #ownAfter: string | undefined
  /** Idle entries are looked for from here, at this time, when they are idle for so long. */
  #claim = { from: '0-0', at: 0, idle: 0 }
  #signs: NodeJS.Timeout | undefined
  readonly #gaps: GapWatch
  /** Whether the last read may have left some. */
  #lags = false
  #closing: Promise<void> | undefined

  constructor(options: ResolvedRedisSubscriptionOptions) {
    this.#options = options
    this.description = `redis-streams ${options.stream}`
    this.#reader = new RedisLink(options, BLOCK)
    this.#writer = new RedisLink(options, 0)
    this.#member = new GroupMember(options, options.group ?? '', this.#name)
    this.#gaps = new GapWatch(options.stream, () => this.#member.missed(this.#writer.run))
  }

  async open({ consumer, onGap }: SubscriptionContext): Promise<void> {
    this.#refuseIfClosed()
    this.#consumer = consumer
    this.#gaps.begin(onGap)
    const { group = consumer, stream, claimAfter, exclusive } = this.#options
    this.#member = new GroupMember(this.#options, group, this.#name)
    if (exclusive) this.#lease = new ReaderLease(`${stream}:${group}:reader`, this.#name, claimAfter)
    this.#claim.idle = claimAfter
    await this.#attach().catch((error: unknown) => {
      throw errorOfConnection(error)
    })
    await this.#giveSigns()
  }

  async receive(limit: number, signal: AbortSignal): Promise<readonly Delivery[]> {
    this.#refuseIfClosed()
    if (signal.aborted) return []
    try {
      await this.#fill(limit, signal)
    } catch (error) {
      // What a reply that was lost had for us is looked for once Redis answers again.
      this.#attached = false
      this.#ownAfter = '0'
      if (signal.aborted || this.#closing !== undefined) return []
      throw errorOfConnection(error)
    }
    const taken = this.#waiting.splice(0, limit).filter((held) => this.#held.has(held) && !this.#passesOver(held))
    return taken.map((held) => this.#deliveryOf(held))
  }

  /** A dead letter of another consumer that was requeued. */
  #passesOver(held: Held<Entry>): boolean {
    if (!isForAnother(held.message, this.#consumer)) return false
    // Not told, it comes again and is passed over again.
    this.#conclude(held, this.#acknowledged).catch(() => undefined)
    return true
  }

  deadLetterPlace({ consumer }: SubscriptionContext): RedisLetterPlace {
    return new RedisLetterPlace(this.#options, consumer)
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#close())
  }

  async #close(): Promise<void> {
    clearTimeout(this.#signs)
    await this.#reading?.catch(() => undefined)
    // What is in hand is known to Redis, though the last reply was lost.
    if (this.#attached || this.#held.all().length > 0) {
      await this.#member.leave(this.#writer.run).catch(() => undefined)
      if (this.#leaseUntil > 0) await this.#lease?.end(this.#writer.run).catch(() => undefined)
    }
    for (const held of this.#held.all()) this.#held.lose(held)
    await Promise.all([this.#reader.close(), this.#writer.close()])
  }

  async #attach(): Promise<void> {
    await this.#member.ensureGroup(this.#writer.run)
    this.#claim.at = 0
    this.#attached = true
    await this.#gaps.look()
  }

  /** Waits until something stands in `waiting`, or `signal` aborts, or it has taken long enough. */
  async #fill(limit: number, signal: AbortSignal): Promise<void> {
    if (!this.#attached) await this.#attach()
    this.#held.loseLate(performance.now())
    if (this.#waiting.length > 0) return
    if (this.#lease && !(await this.#leads())) return pause(Math.min(BLOCK, this.#options.claimAfter / 3), signal)
    const { run } = this.#writer
    if (this.#ownAfter !== undefined) {
      const own = await this.#member.readOwn(run, limit, this.#ownAfter)
      this.#ownAfter = own.at(-1)?.id
      this.#take(own)
      if (own.length > 0) return
    }
    // Before what is new: it is older.
    while (this.#claim.at <= performance.now()) {
      const { idle, from } = this.#claim
      const { entries, next } = await this.#member.claim(run, limit, idle, from)
      const { claimAfter } = this.#options
      this.#claim =
        next === undefined
          ? { from: '0-0', at: performance.now() + claimAfter / 3, idle: claimAfter }
          : { ...this.#claim, from: next }
      this.#take(entries)
      // Where scripts are forbidden they stay.
      if (next === undefined) await this.#member.removeDead(run, claimAfter).catch(() => undefined)
      if (this.#waiting.length > 0) return
    }
    if (this.#lags) await this.#gaps.lookNowAndThen()
    await this.#readNew(limit, signal)
  }

  async #readNew(limit: number, signal: AbortSignal): Promise<void> {
    const polls = this.#options.client !== undefined
    // A read that was waited for in vain goes on, and what it brings is ours.
    this.#reading ??= this.#member
      .readNew(this.#reader.run, limit, polls ? 0 : BLOCK)
      .then((entries) => {
        this.#lags = entries.length >= limit
        this.#take(entries)
      })
      .finally(() => {
        this.#reading = undefined
      })
    await untilAborted(this.#reading, signal)
    if (polls && this.#waiting.length === 0) await pause(POLL, signal)
  }

  #take(entries: readonly Entry[]): void {
    const safeUntil = performance.now() + this.#options.claimAfter * MARGIN
    for (const entry of entries) {
      const held = this.#held.add(entry.id, entry, this.#lease ? Math.min(safeUntil, this.#leaseUntil) : safeUntil)
      if (held) this.#waiting.push(held)
    }
  }

  /** Whether we alone may read; takes the lease when nobody has it. */
  async #leads(): Promise<boolean> {
    if (this.#leaseUntil > performance.now()) return true
    return this.#takeLease()
  }

  async #takeLease(): Promise<boolean> {
    const started = performance.now()
    const before = this.#leaseUntil
    const ours = await this.#lease?.take(this.#writer.run)
    this.#leaseUntil = ours ? started + this.#options.claimAfter * MARGIN : 0
    if (ours && before <= started) {
      // Whoever read before us is gone: all that it held is ours, first of all.
      for (const held of this.#held.all()) this.#held.lose(held)
      this.#waiting = []
      this.#ownAfter = undefined
      this.#claim = { from: '0-0', at: 0, idle: 0 }
    }
    return ours === true
  }

  /** Tells Redis that what is in hand is being worked on; three times in `claimAfter`. */
  async #giveSigns(): Promise<void> {
    const { claimAfter } = this.#options
    const started = performance.now()
    const held = this.#held.all()
    try {
      if (this.#leaseUntil > started) await this.#takeLease()
      if (held.length > 0) {
        const ours = await this.#member.keep(this.#writer.run, (id) => this.#held.knows(id))
        for (const each of held) {
          if (ours.has(each.id)) this.#held.renew([each], started + claimAfter * MARGIN)
          else this.#held.lose(each)
        }
      }
    } catch {
      // The next receive connects again.
    }
    this.#held.loseLate(performance.now())
    if (this.#attached && this.#closing === undefined) await this.#gaps.look()
    if (this.#closing !== undefined) return
    clearTimeout(this.#signs)
    this.#signs = setTimeout(() => void this.#giveSigns(), claimAfter / 3)
  }

  #deliveryOf(held: Held<Entry>): Delivery {
    const { message: entry } = held
    const decoded = readEntry(entry)
    return {
      ...decoded,
      key: orderKeyOf(decoded.event),
      count: entry.count,
      position: `${this.#options.stream} ${entry.id}`,
      lost: held.lost.signal,
      acknowledge: () => this.#conclude(held, this.#acknowledged),
      release: async () => {
        await this.#conclude(held, this.#released)
        this.#claim = { ...this.#claim, from: '0-0', at: 0 }
      },
      deadLetter: (reason) => this.#deadLetter(held, reason),
    }
  }

  async #conclude(held: Held<Entry>, batch: IdBatch): Promise<void> {
    if (!this.#held.remove(held)) throw taken()
    try {
      await batch.add(held.id)
    } catch (error) {
      // Redis may hold it as ours still: it is read again, and whoever has this copy must know that it is not the one.
      this.#ownAfter ??= '0'
      held.lost.abort()
      throw errorOfConnection(error)
    }
  }

  async #deadLetter(held: Held<Entry>, reason: DeadLetterReason): Promise<void> {
    if (!this.#held.has(held)) throw taken()
    try {
      const { stream } = this.#options.deadLetter
      await this.#writer.run(stream, appendDeadLetter(held.message, this.#options, reason))
    } catch (error) {
      throw errorOfConnection(error)
    }
    await this.#conclude(held, this.#acknowledged)
  }

  #refuseIfClosed(): void {
    if (this.#closing !== undefined) throw new BroadcasterError('CLOSED', 'this subscription is closed')
  }
}

function taken(): BroadcasterError {
  return new BroadcasterError('CLOSED', 'the entry was handed out elsewhere, or concluded')
}
