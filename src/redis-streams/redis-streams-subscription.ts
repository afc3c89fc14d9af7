import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { HeldDeliveries, type HeldMessage } from '../consumer/held-deliveries.ts'
import { orderKeyOf } from '../consumer/read-event.ts'
import type { DeadLetterReason, Delivery, Subscription, SubscriptionContext } from '../consumer/subscription.ts'
import { subscriptionOf } from '../consumer/subscription-of.ts'
import { BroadcasterError } from '../errors.ts'
import { untilSettled } from '../foundation/waiting.ts'
import { redisLink } from './ask.ts'
import { appendDeadLetter } from './dead-letter.ts'
import { gapWatch } from './gap-watch.ts'
import { type GroupEntry, groupMember, readerLease } from './group.ts'
import { idBatch } from './id-batch.ts'
import { redisLetterPlace } from './letter-place.ts'
import { isForAnother, readEntry } from './read-entry.ts'
import { errorOfConnection } from './reply-error.ts'
import {
  type RedisStreamsSubscriptionOptions,
  type ResolvedRedisSubscriptionOptions,
  resolveSubscriptionOptions,
} from './subscription-options.ts'

export type { RedisStreamsSubscriptionOptions } from './subscription-options.ts'

/**
 * Receives from a consumer group of a Redis stream. Needs Redis 6.2, Valkey, or what speaks their protocol. Guarantees
 * and advice for production are in `docs/backends/redis-streams.md`.
 *
 * @example redisStreamsSubscription({ url: 'redis://localhost:6379/0', stream: 'events' })
 */
export function redisStreamsSubscription(options: RedisStreamsSubscriptionOptions = {}): Subscription {
  const resolved = resolveSubscriptionOptions(options)
  return subscriptionOf((closing) => subscribe(resolved, closing))
}

/** How long Redis holds a read that finds nothing, in milliseconds. */
const BLOCK = 1_000
const POLL = 100
/** For this many milliseconds, or until `signal` aborts. */
const pause = (duration: number, signal: AbortSignal): Promise<void> =>
  delay(duration, undefined, { signal }).catch(() => undefined)
/** We count on less time than Redis gives, for the way there. */
const MARGIN = 0.9

function subscribe(options: ResolvedRedisSubscriptionOptions, closing: AbortSignal): Subscription {
  const { stream, claimAfter } = options
  const reader = redisLink(options, BLOCK)
  const writer = redisLink(options, 0)
  const { run } = writer
  /** A new name: whatever Redis counts as ours was given to us. */
  const name = `broadcaster-${randomUUID()}`
  const inHand = new HeldDeliveries<GroupEntry>(() => {
    // What Redis still counts as ours is read again, before what is new.
    ownAfter = '0'
  })
  const acknowledge = idBatch((ids) => member.acknowledge(ids))
  const release = idBatch((ids) => member.release(ids))
  let member = groupMember(run, options, options.group ?? '', name)
  const gaps = gapWatch(stream, () => member.missed())
  let lease: ReturnType<typeof readerLease> | undefined
  /** When our lease to read ends, by the monotonic clock. */
  let leaseUntil = 0
  /** Received and not delivered yet. */
  let waiting: HeldMessage<GroupEntry>[] = []
  let consumer = ''
  let isAttached = false
  let reading: Promise<void> | undefined
  /** Where to continue with our own entries; undefined = we know all of them. */
  let ownAfter: string | undefined
  /** Where and when to look next for idle entries, and how long they must have been idle. */
  let idleFrom = { from: '0-0', at: 0, idle: 0 }
  let signs: NodeJS.Timeout | undefined
  /** Whether the last read may have left entries. */
  let lags = false

  async function open(context: SubscriptionContext): Promise<void> {
    consumer = context.consumer
    gaps.begin(context.onGap)
    const { group = consumer, exclusive } = options
    member = groupMember(run, options, group, name)
    if (exclusive) lease = readerLease(run, `${stream}:${group}:reader`, name, claimAfter)
    idleFrom.idle = claimAfter
    await attach().catch((error: unknown) => {
      throw errorOfConnection(error)
    })
    await giveSigns()
  }

  async function receive(limit: number, signal: AbortSignal): Promise<readonly Delivery[]> {
    try {
      await fill(limit, signal)
    } catch (error) {
      // The entries of a lost reply are looked for once Redis answers again.
      isAttached = false
      ownAfter = '0'
      throw errorOfConnection(error)
    }
    const taken = waiting.splice(0, limit).filter((held) => inHand.has(held) && !passesOver(held))
    return taken.map((held) => deliveryOf(held))
  }

  /** A dead letter of another consumer that was requeued. */
  function passesOver(held: HeldMessage<GroupEntry>): boolean {
    if (!isForAnother(held.message, consumer)) return false
    // If that fails, it comes again and is skipped again.
    conclude(held, acknowledge).catch(() => undefined)
    return true
  }

  async function close(): Promise<void> {
    clearTimeout(signs)
    await reading?.catch(() => undefined)
    // Redis knows what is in hand, even if the last reply was lost.
    if (isAttached || inHand.all().length > 0) {
      await member.leave().catch(() => undefined)
      if (leaseUntil > 0) await lease?.end().catch(() => undefined)
    }
    for (const held of inHand.all()) inHand.lose(held)
    await Promise.all([reader.close(), writer.close()])
  }

  async function attach(): Promise<void> {
    await member.ensureGroup()
    idleFrom.at = 0
    isAttached = true
    await gaps.look()
  }

  /** Waits until something is in `waiting`, or `signal` aborts, or it has taken long enough. */
  async function fill(limit: number, signal: AbortSignal): Promise<void> {
    if (!isAttached) await attach()
    inHand.loseLate(performance.now())
    if (waiting.length > 0) return
    if (lease && !(await leads())) return pause(Math.min(BLOCK, claimAfter / 3), signal)
    if (ownAfter !== undefined) {
      const own = await member.readOwn(limit, ownAfter)
      ownAfter = own.at(-1)?.id
      take(own)
      if (own.length > 0) return
    }
    // Before what is new: it is older.
    while (idleFrom.at <= performance.now()) {
      const { idle, from } = idleFrom
      const { entries, next } = await member.claim(limit, idle, from)
      idleFrom =
        next === undefined
          ? { from: '0-0', at: performance.now() + claimAfter / 3, idle: claimAfter }
          : { ...idleFrom, from: next }
      take(entries)
      // Where scripts are forbidden, dead members stay.
      if (next === undefined) await member.removeDead(claimAfter).catch(() => undefined)
      if (waiting.length > 0) return
    }
    if (lags) await gaps.lookNowAndThen()
    await readNew(limit, signal)
  }

  async function readNew(limit: number, signal: AbortSignal): Promise<void> {
    const polls = options.client !== undefined
    // A read that outlasts its wait goes on, and what it brings is delivered later.
    reading ??= member
      .readNew(reader.run, limit, polls ? 0 : BLOCK)
      .then((entries) => {
        lags = entries.length >= limit
        take(entries)
      })
      .finally(() => {
        reading = undefined
      })
    await untilSettled(reading, signal)
    if (polls && waiting.length === 0) await pause(POLL, signal)
  }

  function take(entries: readonly GroupEntry[]): void {
    const safeUntil = performance.now() + claimAfter * MARGIN
    for (const entry of entries) {
      const held = inHand.add(entry.id, entry, lease ? Math.min(safeUntil, leaseUntil) : safeUntil)
      if (held) waiting.push(held)
    }
  }

  /** Whether we may read; takes the lease if it is free. */
  async function leads(): Promise<boolean> {
    if (leaseUntil > performance.now()) return true
    return takeLease()
  }

  async function takeLease(): Promise<boolean> {
    const started = performance.now()
    const before = leaseUntil
    const ours = await lease?.take()
    leaseUntil = ours ? started + claimAfter * MARGIN : 0
    if (ours && before <= started) {
      // Whoever read before us is gone: all that it held is now ours, and comes first.
      for (const held of inHand.all()) inHand.lose(held)
      waiting = []
      ownAfter = undefined
      idleFrom = { from: '0-0', at: 0, idle: 0 }
    }
    return ours === true
  }

  /** Tells Redis that what is in hand is being worked on, three times in each `claimAfter`. */
  async function giveSigns(): Promise<void> {
    const started = performance.now()
    const held = inHand.all()
    try {
      if (leaseUntil > started) await takeLease()
      if (held.length > 0) {
        const ours = await member.keep((id) => inHand.knows(id))
        for (const each of held) {
          if (ours.has(each.id)) inHand.renew([each], started + claimAfter * MARGIN)
          else inHand.lose(each)
        }
      }
    } catch {
      // The next receive connects again.
    }
    inHand.loseLate(performance.now())
    if (isAttached && !closing.aborted) await gaps.look()
    if (closing.aborted) return
    clearTimeout(signs)
    signs = setTimeout(() => void giveSigns(), claimAfter / 3)
  }

  function deliveryOf(held: HeldMessage<GroupEntry>): Delivery {
    const { message: entry } = held
    const decoded = readEntry(entry)
    return {
      ...decoded,
      key: orderKeyOf(decoded.event),
      count: entry.count,
      position: `${stream} ${entry.id}`,
      lost: held.lost.signal,
      acknowledge: () => conclude(held, acknowledge),
      release: async () => {
        await conclude(held, release)
        idleFrom = { ...idleFrom, from: '0-0', at: 0 }
      },
      deadLetter: (reason) => putDead(held, reason),
    }
  }

  async function conclude(held: HeldMessage<GroupEntry>, tell: typeof acknowledge): Promise<void> {
    if (!inHand.remove(held)) throw taken()
    try {
      await tell(held.id)
    } catch (error) {
      // Redis may still count it as ours: it is read again, and whoever has this copy must know that it is stale.
      ownAfter ??= '0'
      held.lost.abort()
      throw errorOfConnection(error)
    }
  }

  async function putDead(held: HeldMessage<GroupEntry>, reason: DeadLetterReason): Promise<void> {
    if (!inHand.has(held)) throw taken()
    try {
      await run(options.deadLetter.stream, appendDeadLetter(held.message, options, reason))
    } catch (error) {
      throw errorOfConnection(error)
    }
    await conclude(held, acknowledge)
  }

  return {
    description: `redis-streams ${stream}`,
    messaging: { system: 'redis-streams', destination: stream },
    ...{ open, receive, close },
    backlog: () => member.backlog(),
    deadLetterPlace: (context) => redisLetterPlace(options, context.consumer),
  }
}

function taken(): BroadcasterError {
  return new BroadcasterError('CLOSED', 'the entry was delivered elsewhere, or concluded')
}
