import { settlesWithin } from '../settles-within.ts'

type Consumer = import('@nats-io/jetstream').Consumer
type ConsumerMessages = import('@nats-io/jetstream').ConsumerMessages
type JsMsg = import('@nats-io/jetstream').JsMsg

/** How long a request for messages stands, in milliseconds: the client's least, since a close waits for its end. */
const STANDS = 1_000

/** One request for a number of messages, which come as they are there. */
export class Pull {
  readonly #messages: ConsumerMessages
  readonly #onMessage: (message: JsMsg) => void
  readonly #running: Promise<void>
  #changed = Promise.withResolvers<void>()
  #some = false
  #ended = false
  #error: unknown

  private constructor(messages: ConsumerMessages, isConnected: () => boolean, onMessage: (message: JsMsg) => void) {
    this.#messages = messages
    this.#onMessage = onMessage
    this.#running = this.#run(isConnected)
  }

  static async start(
    consumer: Consumer,
    count: number,
    nats: { isClosed(): boolean },
    onMessage: (message: JsMsg) => void,
  ): Promise<Pull> {
    const messages = await consumer.fetch({ max_messages: count, expires: STANDS })
    return new Pull(messages, () => !nats.isClosed(), onMessage)
  }

  get ended(): boolean {
    return this.#ended
  }

  /** Why it ended before its time. */
  get error(): unknown {
    return this.#error
  }

  /** Resolves when messages have come, or it has ended, or `signal` aborts. */
  async next(signal: AbortSignal): Promise<void> {
    const aborted = Promise.withResolvers<void>()
    const onAbort = (): void => aborted.resolve()
    signal.addEventListener('abort', onAbort, { once: true })
    if (signal.aborted) onAbort()
    try {
      if (!this.#some && !this.#ended) await Promise.race([this.#changed.promise, aborted.promise])
      // What came in the same piece of the connection is handed out together.
      if (!signal.aborted && !this.#ended) await new Promise((resolve) => setImmediate(resolve))
    } finally {
      signal.removeEventListener('abort', onAbort)
      this.#some = false
    }
  }

  /**
   * Waits until the server has dropped the request; what it hands out until then still comes. Nothing takes a request
   * back: what is given back while it stands is handed out into it, to nobody, and hidden for `ackWait`.
   */
  async end(): Promise<void> {
    if (!(await settlesWithin(this.#running, 2 * STANDS))) this.#messages.stop()
    await this.#running
  }

  async #run(isConnected: () => boolean): Promise<void> {
    try {
      for await (const message of this.#messages) {
        this.#onMessage(message)
        this.#change(true)
      }
      if (!isConnected()) this.#error = new Error('the connection was lost')
    } catch (error) {
      this.#error = error
    } finally {
      this.#ended = true
      this.#change(false)
    }
  }

  #change(some: boolean): void {
    if (some) this.#some = true
    this.#changed.resolve()
    this.#changed = Promise.withResolvers()
  }
}
