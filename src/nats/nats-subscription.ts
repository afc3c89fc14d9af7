import { OutageError } from '../backend/send-error.ts'
import { REQUEUED_FOR } from '../consumer/dead-letter-place.ts'
import { HeldDeliveries, type HeldMessage } from '../consumer/held-deliveries.ts'
import { orderKeyOf } from '../consumer/read-event.ts'
import type { DeadLetterReason, Delivery, Subscription, SubscriptionContext } from '../consumer/subscription.ts'
import { subscriptionOf } from '../consumer/subscription-of.ts'
import { BroadcasterError } from '../errors.ts'
import { waitFor } from '../foundation/waiting.ts'
import { natsConnection, type OpenNats } from './connection.ts'
import { writeDeadLetter } from './dead-letter.ts'
import { backlogOf, type Durable, ensureDeadLetters, ensureDurable } from './durable.ts'
import { gapWatch } from './gap-watch.ts'
import { natsLetterPlace } from './letter-place.ts'
import { type Pull, startPulling } from './pull.ts'
import { isSilence, readHeaders, readMessage, replyOf } from './read-message.ts'
import {
  type NatsJetStreamSubscriptionOptions,
  type ResolvedNatsSubscriptionOptions,
  resolveSubscriptionOptions,
} from './subscription-options.ts'

export type { NatsDeadLetter, NatsJetStreamSubscriptionOptions } from './subscription-options.ts'

/**
 * Receives from a durable pull consumer of NATS JetStream, which all processes with the same name share. Guarantees and
 * advice for production are in `docs/backends/nats.md`.
 *
 * @example natsJetStreamSubscription({ url: 'nats://localhost:4222', stream: 'EVENTS' })
 */
export function natsJetStreamSubscription(options: NatsJetStreamSubscriptionOptions): Subscription {
  const resolved = resolveSubscriptionOptions(options)
  return subscriptionOf((closing) => subscribe(resolved, closing))
}

type JsMsg = import('@nats-io/jetstream').JsMsg
type HeldJsMsg = HeldMessage<JsMsg>

/** An open connection on which our consumer was found. */
interface Attached {
  readonly open: OpenNats
  readonly durable: Durable
}

const ACK = '+ACK'
const NAK = '-NAK'
const WORKING = '+WPI'
/** A connection is left after this many requests in a row that ended early. */
const MOST_BROKEN = 2
/** We count on less time than the server gives, for the way there. */
const MARGIN = 0.9

function subscribe(options: ResolvedNatsSubscriptionOptions, closing: AbortSignal): Subscription {
  const connection = natsConnection(options.connection)
  const inHand = new HeldDeliveries<JsMsg>((late) => {
    overdue.push(...late)
    // Nothing newer may arrive on it before these.
    leave()
  })
  /** Messages whose time ran out, on a connection that we have left. */
  const overdue: HeldJsMsg[] = []
  const gaps = gapWatch(options.stream)
  let consumer = ''
  let attached: Attached | undefined
  /** Whether the stream of dead letters was found. Its node may be down later, which is no reason to stop receiving. */
  let hasDeadLetters = false
  let pull: Pull | undefined
  /** Requests for messages in a row that ended early. */
  let broken = 0
  /** Received and not delivered yet. */
  const waiting: HeldJsMsg[] = []
  let flushing: Promise<void> | undefined
  let signs: NodeJS.Timeout | undefined
  /** Nothing more is requested, and what is in hand goes back. */
  let ended = false

  async function open(context: SubscriptionContext, signal: AbortSignal): Promise<void> {
    consumer = context.consumer
    gaps.begin(context.onGap)
    await attach(signal)
  }

  async function receive(limit: number, signal: AbortSignal): Promise<readonly Delivery[]> {
    inHand.loseLate(performance.now())
    if (waiting.length === 0) {
      pull ??= await startPull(limit, signal)
      const { ended, error } = await pull.next(signal)
      if (ended) {
        pull = undefined
        broken = error === undefined ? 0 : broken + 1
        if (broken >= MOST_BROKEN) leave()
        if (waiting.length === 0 && error !== undefined) {
          throw new OutageError('NATS delivers no messages', { cause: error })
        }
      }
    }
    const taken = waiting.splice(0, limit).filter((held) => !held.lost.signal.aborted)
    return taken.filter((held) => !passesOver(held)).map((held) => deliveryOf(held))
  }

  /** A dead letter of another consumer that was requeued. */
  function passesOver(held: HeldJsMsg): boolean {
    const [, forWhom = consumer] = readHeaders(held.message).pairs.find(([name]) => name === REQUEUED_FOR) ?? []
    if (forWhom === consumer) return false
    // If that fails, it comes again and is skipped again.
    conclude(held, ACK).catch(() => undefined)
    return true
  }

  async function close(): Promise<void> {
    // Renewals go on meanwhile: nothing in hand may be redelivered before all of it is given back.
    await pull?.end()
    ended = true
    clearTimeout(signs)
    const { nats } = attached?.open ?? {}
    if (nats && !nats.isClosed()) await giveBack(nats, inHand.all()).catch(() => undefined)
    for (const held of inHand.all()) inHand.lose(held)
    await connection.close()
  }

  async function attach(signal: AbortSignal): Promise<Attached> {
    refuseIfClosing()
    const open = await connection.get(signal)
    if (attached?.open === open) return attached
    const durable = await answerOf(open, signal, ensureDurable(open, options, consumer))
    if (!hasDeadLetters) await answerOf(open, signal, ensureDeadLetters(open, options))
    hasDeadLetters = true
    attached = { open, durable }
    if (durable.progress) gaps.reach(durable.progress)
    await giveBackLate(durable)
    // What is in hand is still ours on the new connection, if the server hears of us in time.
    await giveSigns()
    return attached
  }

  async function startPull(limit: number, signal: AbortSignal): Promise<Pull> {
    const { open, durable } = await attach(signal)
    const onMessage = (message: JsMsg): void => {
      const { deliverySequence, streamSequence, deliveryCount } = message.info
      if (durable.progress) {
        gaps.receive({ deliveries: deliverySequence, sequence: streamSequence }, deliveryCount > 1)
      }
      const held = inHand.add(String(message.seq), message, performance.now() + durable.ackWait * MARGIN)
      if (held) waiting.push(held)
    }
    try {
      const found = open.jetstream.consumers.get(options.stream, durable.name)
      // A stopped subscription requests nothing more.
      const durableConsumer = await answerOf(open, signal, found)
      refuseIfClosing()
      return await startPulling(durableConsumer, limit, open.nats, onMessage)
    } catch (error) {
      if (signal.aborted || closing.aborted) throw error
      // The consumer may have been deleted: it is looked for again.
      attached = undefined
      throw new OutageError(`the consumer ${durable.name} does not answer`, { cause: error })
    }
  }

  /** The next receive connects again, to another server if there is one. */
  function leave(): void {
    broken = 0
    if (attached) connection.drop(attached.open)
  }

  /** Waits for an answer until `signal` aborts. A connection on which none comes is left, although it is open. */
  async function answerOf<T>(open: OpenNats, signal: AbortSignal, answer: Promise<T>): Promise<T> {
    try {
      return await waitFor(answer, { signal }, () => signal.reason)
    } catch (error) {
      if (!signal.aborted && isSilence(error)) connection.drop(open)
      throw error
    }
  }

  /**
   * Lost messages are given back, so that they come at once and before newer ones: by itself the server redelivers them
   * only when their time is over, after its restart even later. Not where others pull: one of them may have a message
   * by now.
   */
  async function giveBackLate({ alone }: Durable): Promise<void> {
    const late = [...overdue]
    const { nats } = attached?.open ?? {}
    if (nats && alone && late.length > 0) await giveBack(nats, late)
    overdue.splice(0, late.length)
  }

  /** In the order of the stream. */
  function giveBack(nats: OpenNats['nats'], some: readonly HeldJsMsg[]): Promise<void> {
    for (const { message } of some.toSorted((one, other) => one.message.seq - other.message.seq))
      nats.publish(replyOf(message), NAK)
    return flush()
  }

  /** Tells the server that what is in hand is being worked on, three times in each `ackWait`. */
  async function giveSigns(): Promise<void> {
    clearTimeout(signs)
    const { open, durable } = attached ?? {}
    if (!open || !durable) return
    const held = inHand.all()
    const started = performance.now()
    try {
      if (held.length > 0 && !open.nats.isClosed()) {
        for (const { message } of held) open.nats.publish(replyOf(message), WORKING)
        await flush()
        inHand.renew(held, started + durable.ackWait * MARGIN)
      }
    } catch {
      // The next receive connects again.
    }
    inHand.loseLate(performance.now())
    if (ended) return
    clearTimeout(signs)
    signs = setTimeout(() => void giveSigns(), durable.ackWait / 3)
  }

  function deliveryOf(held: HeldJsMsg): Delivery {
    const { message } = held
    const decoded = readMessage(message)
    return {
      ...decoded,
      key: orderKeyOf(decoded.event),
      count: message.info.deliveryCount,
      position: `${options.stream} ${message.seq}`,
      lost: held.lost.signal,
      acknowledge: () => conclude(held, ACK),
      release: () => conclude(held, NAK),
      deadLetter: (reason) => putDead(held, reason),
    }
  }

  async function conclude(held: HeldJsMsg, answer: string): Promise<void> {
    if (!inHand.remove(held)) throw new BroadcasterError('CLOSED', 'the message was delivered elsewhere, or concluded')
    try {
      const { nats } = attached?.open ?? {}
      if (!nats || nats.isClosed()) throw new OutageError('NATS cannot be told: there is no connection')
      nats.publish(replyOf(held.message), answer)
      await flush()
    } catch (error) {
      // It may be redelivered as another copy: whoever has this one must know that it is no longer ours.
      held.lost.abort()
      throw error
    }
  }

  async function putDead(held: HeldJsMsg, reason: DeadLetterReason): Promise<void> {
    const { open, durable } = attached ?? {}
    if (!open || !durable || open.nats.isClosed()) throw new OutageError('NATS cannot be reached')
    if (held.lost.signal.aborted) throw new BroadcasterError('CLOSED', 'the message was delivered elsewhere')
    await writeDeadLetter(open, durable, options, held.message, reason)
    await conclude(held, ACK)
  }

  /** Waits until the server has read all that was published; one round trip for concurrent callers. */
  function flush(): Promise<void> {
    flushing ??= Promise.resolve().then(() => {
      flushing = undefined
      return roundTrip()
    })
    return flushing
  }

  async function roundTrip(): Promise<void> {
    const { open } = attached ?? {}
    if (!open) throw new OutageError('NATS cannot be reached')
    const { timeout } = options
    try {
      await waitFor(open.nats.flush(), { timeout }, () => new Error(`no answer within ${timeout} ms`))
    } catch (cause) {
      connection.drop(open)
      throw new OutageError('NATS does not answer', { cause })
    }
  }

  function refuseIfClosing(): void {
    if (closing.aborted) throw new BroadcasterError('CLOSED', 'this subscription is closed')
  }

  return {
    description: `nats ${options.stream}`,
    messaging: { system: 'nats', destination: options.stream },
    ...{ open, receive, close },
    async backlog() {
      const { open, durable } = attached ?? {}
      return open && durable && backlogOf(open, options.stream, durable.name)
    },
    deadLetterPlace: (context) => natsLetterPlace(options, context.consumer),
  }
}
