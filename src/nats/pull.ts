import { settles } from '../foundation/waiting.ts'

type Consumer = import('@nats-io/jetstream').Consumer
type JsMsg = import('@nats-io/jetstream').JsMsg

/** How long a request for messages stands, in milliseconds: the client's minimum, since a close waits for its end. */
const STANDS = 1_000

export type Pull = Awaited<ReturnType<typeof startPulling>>

/** Makes one request for a number of messages, which arrive as they become available. */
export async function startPulling(
  consumer: Consumer,
  count: number,
  nats: { isClosed(): boolean },
  onMessage: (message: JsMsg) => void,
) {
  const messages = await consumer.fetch({ max_messages: count, expires: STANDS })
  let changed = Promise.withResolvers<void>()
  let some = false
  let ended = false
  let error: unknown

  async function run(): Promise<void> {
    try {
      for await (const message of messages) {
        onMessage(message)
        some = true
        change()
      }
      if (nats.isClosed()) error = new Error('the connection was lost')
    } catch (thrown) {
      error = thrown
    } finally {
      ended = true
      change()
    }
  }

  function change(): void {
    changed.resolve()
    changed = Promise.withResolvers()
  }

  const running = run()
  return {
    /**
     * Resolves when messages have come, the request has ended, or `signal` aborts: with whether it has ended, and why
     * if it ended early.
     */
    async next(signal: AbortSignal): Promise<{ readonly ended: boolean; readonly error: unknown }> {
      if (!some && !ended) await settles(changed.promise, { signal })
      // What arrived in the same read of the socket is delivered together.
      if (!signal.aborted && !ended) await new Promise((resolve) => setImmediate(resolve))
      some = false
      return { ended, error }
    },
    /**
     * Waits until the server has dropped the request; what it delivers until then still arrives. A request cannot be
     * withdrawn: what is given back while it stands would be delivered into it, received by no one, and hidden for
     * `ackWait`.
     */
    async end(): Promise<void> {
      if (!(await settles(running, { timeout: 2 * STANDS }))) messages.stop()
      await running
    },
  }
}
