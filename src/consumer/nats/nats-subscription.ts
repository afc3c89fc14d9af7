import { NatsConnection, type OpenConnection } from '../../backend/nats/connection.ts'
import { OutageError } from '../../backend/send-error.ts'
import { BroadcasterError } from '../../errors.ts'
import { decodeNats } from '../../event/nats.ts'
import { REQUEUED_FOR } from '../dead-letter-place.ts'
import { type Held, HeldDeliveries } from '../held-deliveries.ts'
import { orderKeyOf } from '../order-key.ts'
import type { DeadLetterReason, Delivery, Subscription, SubscriptionContext } from '../subscription.ts'
import { deadLetterHeaders } from './dead-letter.ts'
import { type Durable, ensureDurable } from './durable.ts'
import { NatsLetterPlace } from './letter-place.ts'
import {
  type NatsJetStreamSubscriptionOptions,
  type ResolvedNatsSubscriptionOptions,
  resolveSubscriptionOptions,
} from './options.ts'
import { Pull } from './pull.ts'
import { readHeaders } from './read-headers.ts'

export type { NatsDeadLetter, NatsJetStreamSubscriptionOptions } from './options.ts'

/**
 * Receives from a durable pull consumer of NATS JetStream, which all processes with the same name share. Guarantees and
 * advice for production are in `docs/backends/nats.md`.
 *
 * @example natsJetStreamSubscription({ servers: 'nats://localhost:4222', stream: 'EVENTS' })
 */
export function natsJetStreamSubscription(options: NatsJetStreamSubscriptionOptions): Subscription {
  return new NatsSubscription(resolveSubscriptionOptions(options))
}

type JsMsg = import('@nats-io/jetstream').JsMsg
type HeldMessage = Held<JsMsg>

/** An open connection on which our consumer was found. */
interface Attached {
  readonly open: OpenConnection
  readonly durable: Durable
}

const ACK = '+ACK'
const NAK = '-NAK'
const WORKING = '+WPI'

class NatsSubscription implements Subscription {
  readonly description: string
  readonly #options: ResolvedNatsSubscriptionOptions
  readonly #connection: NatsConnection
  readonly #held = new HeldDeliveries<JsMsg>()
  #consumer = ''
  #attached: Attached | undefined
  #pull: Pull | undefined
  /** Received and not handed out yet. */
  #waiting: HeldMessage[] = []
  #flushing: Promise<void> | undefined
  #signs: NodeJS.Timeout | undefined
  #closing: Promise<void> | undefined
  /** Nothing is asked for any more, and what is in hand goes back. */
  #ended = false

  constructor(options: ResolvedNatsSubscriptionOptions) {
    this.#options = options
    this.#connection = new NatsConnection(options.connection)
    this.description = `nats ${options.stream}`
  }

  async open({ consumer }: SubscriptionContext, signal: AbortSignal): Promise<void> {
    this.#consumer = consumer
    await this.#attach(signal)
  }

  async receive(limit: number, signal: AbortSignal): Promise<readonly Delivery[]> {
    this.#refuseIfClosed()
    if (signal.aborted) return []
    this.#held.loseLate(performance.now())
    if (this.#waiting.length === 0) {
      try {
        this.#pull ??= await this.#startPull(limit, signal)
      } catch (error) {
        if (signal.aborted || this.#closing) return []
        throw error
      }
      const pull = this.#pull
      await pull.next(signal)
      if (pull.ended) {
        this.#pull = undefined
        if (this.#waiting.length === 0 && pull.error !== undefined && !signal.aborted && !this.#closing) {
          throw new OutageError('NATS hands out no messages', { cause: pull.error })
        }
      }
    }
    const taken = this.#waiting.splice(0, limit).filter((held) => !held.lost.signal.aborted)
    return taken.filter((held) => !this.#passesOver(held)).map((held) => this.#deliveryOf(held))
  }

  /** A dead letter of another consumer that was requeued. */
  #passesOver(held: HeldMessage): boolean {
    const [, consumer] = readHeaders(held.message).pairs.find(([name]) => name === REQUEUED_FOR) ?? []
    if (consumer === undefined || consumer === this.#consumer) return false
    // Not told, it comes again and is passed over again.
    this.#conclude(held, ACK).catch(() => undefined)
    return true
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#close())
  }

  deadLetterPlace({ consumer }: SubscriptionContext): NatsLetterPlace {
    return new NatsLetterPlace(this.#options, consumer)
  }

  async #close(): Promise<void> {
    // Signs of life go on meanwhile: nothing in hand may go out again before all of it.
    await this.#pull?.end()
    this.#ended = true
    clearTimeout(this.#signs)
    const { nats } = this.#attached?.open ?? {}
    if (nats && !nats.isClosed()) {
      const inOrder = this.#held.all().toSorted((one, other) => one.message.seq - other.message.seq)
      for (const { message } of inOrder) nats.publish(replyOf(message), NAK)
      await this.#flush().catch(() => undefined)
    }
    for (const held of this.#held.all()) this.#held.lose(held)
    await this.#connection.close()
  }

  async #attach(signal: AbortSignal): Promise<Attached> {
    this.#refuseIfClosed()
    const open = await this.#connection.open(signal)
    if (this.#attached?.open === open) return this.#attached
    const durable = await ensureDurable(open, this.#options, this.#consumer)
    this.#attached = { open, durable }
    // What is in hand is still ours, on the new connection too, if it hears of us in time.
    await this.#giveSigns()
    return this.#attached
  }

  async #startPull(limit: number, signal: AbortSignal): Promise<Pull> {
    const { open, durable } = await this.#attach(signal)
    const onMessage = (message: JsMsg): void => {
      const held = this.#held.add(String(message.seq), message, performance.now() + durable.ackWait * 0.9)
      if (held) this.#waiting.push(held)
    }
    try {
      const consumer = await open.jetstream.consumers.get(this.#options.stream, durable.name)
      // Who stops asks for nothing more.
      signal.throwIfAborted()
      this.#refuseIfClosed()
      return await Pull.start(consumer, limit, open.nats, onMessage)
    } catch (error) {
      if (signal.aborted || this.#closing) throw error
      // Deleted meanwhile, perhaps: it is looked for again.
      this.#attached = undefined
      throw new OutageError(`the consumer ${durable.name} does not answer`, { cause: error })
    }
  }

  /** Tells the server that what is in hand is being worked on; again and again, three times in `ackWait`. */
  async #giveSigns(): Promise<void> {
    clearTimeout(this.#signs)
    const { open, durable } = this.#attached ?? {}
    if (!open || !durable) return
    const held = this.#held.all()
    const started = performance.now()
    try {
      if (held.length > 0 && !open.nats.isClosed()) {
        for (const { message } of held) open.nats.publish(replyOf(message), WORKING)
        await this.#flush()
        this.#held.renew(held, started + durable.ackWait * 0.9)
      }
    } catch {
      // The next receive connects again.
    }
    this.#held.loseLate(performance.now())
    if (this.#ended) return
    clearTimeout(this.#signs)
    this.#signs = setTimeout(() => void this.#giveSigns(), durable.ackWait / 3)
  }

  #deliveryOf(held: HeldMessage): Delivery {
    const { message } = held
    const read = (): Pick<Delivery, 'event' | 'problem'> => {
      const { pairs, problem } = readHeaders(message)
      if (problem !== undefined) return { event: undefined, problem }
      try {
        // Of several headers of one name the first counts.
        return { event: decodeNats(pairs.toReversed(), message.data) }
      } catch (problem) {
        return { event: undefined, problem }
      }
    }
    const decoded = read()
    return {
      ...decoded,
      key: orderKeyOf(decoded.event),
      count: message.info.deliveryCount,
      position: `${this.#options.stream} ${message.seq}`,
      lost: held.lost.signal,
      acknowledge: () => this.#conclude(held, ACK),
      release: () => this.#conclude(held, NAK),
      deadLetter: (reason) => this.#deadLetter(held, reason),
    }
  }

  async #conclude(held: HeldMessage, answer: string): Promise<void> {
    if (!this.#held.remove(held))
      throw new BroadcasterError('CLOSED', 'the message was handed out elsewhere, or concluded')
    try {
      const { nats } = this.#attached?.open ?? {}
      if (!nats || nats.isClosed()) throw new OutageError('NATS cannot be told: there is no connection')
      nats.publish(replyOf(held.message), answer)
      await this.#flush()
    } catch (error) {
      // It may come again after its time, as another copy: whoever has this one must know that it is not ours any more.
      held.lost.abort()
      throw error
    }
  }

  async #deadLetter(held: HeldMessage, reason: DeadLetterReason): Promise<void> {
    const { open, durable } = this.#attached ?? {}
    if (!open || !durable || open.nats.isClosed()) throw new OutageError('NATS cannot be reached')
    if (held.lost.signal.aborted) throw new BroadcasterError('CLOSED', 'the message was handed out elsewhere')
    const { stream, deadLetter } = this.#options
    const id = `${stream} ${held.message.seq}`
    const most = open.nats.info?.max_payload ?? Number.POSITIVE_INFINITY
    const headers = deadLetterHeaders(held.message, id, reason, open.headers, most)
    // A message that fills the server's limit by itself goes as it is: better without a reason than never.
    const options = headers && {
      headers,
      // Given up again after a crash, it is stored once.
      msgID: `${durable.name} ${id}`,
      expect: { streamName: deadLetter.stream },
    }
    await open.jetstream.publish(durable.deadLetterSubject, held.message.data, options)
    await this.#conclude(held, ACK)
  }

  /** Until the server has read all that was published; one round trip for all that ask at the same time. */
  #flush(): Promise<void> {
    this.#flushing ??= Promise.resolve().then(() => {
      this.#flushing = undefined
      return this.#roundTrip()
    })
    return this.#flushing
  }

  async #roundTrip(): Promise<void> {
    const { open } = this.#attached ?? {}
    if (!open) throw new OutageError('NATS cannot be reached')
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new Error(`no answer within ${this.#options.timeout} ms`)), this.#options.timeout)
    })
    try {
      await Promise.race([open.nats.flush(), late])
    } catch (cause) {
      this.#connection.drop(open)
      throw new OutageError('NATS does not answer', { cause })
    } finally {
      clearTimeout(timer)
    }
  }

  #refuseIfClosed(): void {
    if (this.#closing !== undefined) throw new BroadcasterError('CLOSED', 'this subscription is closed')
  }
}

/** Where acknowledgements go. The client has it, and does not say so in its types. */
function replyOf(message: JsMsg): string {
  return 'reply' in message && typeof message.reply === 'string' ? message.reply : ''
}
