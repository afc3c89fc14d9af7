import { BroadcasterError } from '../../errors.ts'
import { OutageError } from '../send-error.ts'
import type { ResolvedNatsOptions } from './options.ts'
import { errorOfOpening } from './publish-error.ts'
import { checkStream } from './stream.ts'

type NatsIoConnection = import('@nats-io/transport-node').NatsConnection
type MsgHdrs = import('@nats-io/transport-node').MsgHdrs
type JetStreamClient = import('@nats-io/jetstream').JetStreamClient
type JetStreamManager = import('@nats-io/jetstream').JetStreamManager

/** A connection that is open, as far as we know, and whose stream was found. */
export interface OpenConnection {
  readonly nats: NatsIoConnection
  readonly jetstream: JetStreamClient
  readonly manager: JetStreamManager
  readonly headers: () => MsgHdrs
}

/**
 * The connection of one backend. Our own does not reconnect, since the client would then publish later what we have
 * reported as an outage meanwhile: it is dropped at the first sign of trouble, and the next send opens a new one.
 */
export class NatsConnection {
  readonly #options: ResolvedNatsOptions
  readonly #sends = new Set<Promise<unknown>>()
  #opened: OpenConnection | undefined
  #opening: Promise<OpenConnection> | undefined
  #closing: Promise<void> | undefined
  /** Left, and not closed yet. */
  readonly #lame = new Set<NatsIoConnection>()

  constructor(options: ResolvedNatsOptions) {
    this.#options = options
  }

  get closed(): boolean {
    return this.#closing !== undefined
  }

  /** The open connection, or a new one. Rejects with an `OutageError`, or `MISSING_DEPENDENCY`. */
  async open(signal: AbortSignal): Promise<OpenConnection> {
    if (this.closed) throw new BroadcasterError('SEND_NOT_ATTEMPTED', 'this backend is closed')
    if (this.#opened && !this.#opened.nats.isClosed()) return this.#opened
    this.#opening ??= this.#connect().finally(() => {
      this.#opening = undefined
    })
    // Others may be waiting for the same connection: an abort ends this wait, not the attempt.
    return untilAborted(this.#opening, signal)
  }

  /** Forgets a connection that did not answer or broke, and closes it unless it was injected. */
  drop(connection: OpenConnection): void {
    if (this.#opened !== connection) return
    this.#opened = undefined
    this.#end(connection.nats)
  }

  /** Lets `close` wait for the acknowledgements that a send still waits for. */
  track<T>(send: Promise<T>): Promise<T> {
    this.#sends.add(send)
    return send.finally(() => this.#sends.delete(send))
  }

  /** Waits for what is under way, at most `timeout`, and closes what we opened. */
  close(): Promise<void> {
    return (this.#closing ??= this.#close())
  }

  async #close(): Promise<void> {
    await Promise.allSettled([this.#opening, ...this.#sends])
    const opened = this.#opened
    this.#opened = undefined
    for (const nats of this.#lame) this.#end(nats)
    if (opened && !this.#options.client) await opened.nats.close().catch(() => undefined)
  }

  async #connect(): Promise<OpenConnection> {
    const { connect, headers, jetstream, jetstreamManager } = await importNats()
    const { servers, client, connection, connectTimeout, timeout, stream } = this.#options
    let nats: NatsIoConnection | undefined
    try {
      nats = client
        ? (client as unknown as NatsIoConnection)
        : await connect({
            ...connection,
            servers: [...servers],
            timeout: connectTimeout,
            reconnect: false,
            // A stack for each publish would be half of its cost.
            noAsyncTraces: true,
          })
      if (nats.isClosed()) throw new OutageError('the injected connection is closed')
      const options = { ...this.#options.jetstream, timeout }
      const manager = await jetstreamManager(nats, { ...options, checkAPI: false })
      await checkStream(manager, stream)
      const opened = { nats, manager, headers, jetstream: jetstream(nats, options) }
      this.#opened = opened
      if (!client && servers.length > 1) void this.#leaveWhenLame(opened)
      return opened
    } catch (error) {
      if (nats) this.#end(nats)
      throw errorOfOpening(error)
    }
  }

  /** A server in lame duck mode takes no new connections, and will end this one: the next send goes to another server. */
  async #leaveWhenLame(opened: OpenConnection): Promise<void> {
    for await (const { type } of opened.nats.status()) {
      if (type !== 'ldm') continue
      if (this.#opened === opened) this.#opened = undefined
      // What is under way on it has its time.
      const timer = setTimeout(() => this.#end(opened.nats), this.#options.timeout)
      this.#lame.add(opened.nats)
      await opened.nats.closed()
      this.#lame.delete(opened.nats)
      clearTimeout(timer)
      return
    }
  }

  #end(nats: NatsIoConnection): void {
    if (!this.#options.client) nats.close().catch(() => undefined)
  }
}

async function importNats() {
  try {
    const [transport, { jetstream, jetstreamManager }] = await Promise.all([
      import('@nats-io/transport-node'),
      import('@nats-io/jetstream'),
    ])
    return { connect: transport.connect, headers: transport.headers, jetstream, jetstreamManager }
  } catch (cause) {
    throw new BroadcasterError(
      'MISSING_DEPENDENCY',
      'natsJetStream() needs the packages @nats-io/transport-node and @nats-io/jetstream, which are not installed: `npm install @nats-io/transport-node @nats-io/jetstream`',
      { cause },
    )
  }
}

function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const interrupted = (): OutageError =>
    new OutageError('the send ended before NATS was connected', { cause: signal.reason })
  if (signal.aborted) return Promise.reject(interrupted())
  return new Promise<T>((resolve, reject) => {
    const onAbort = (): void => reject(interrupted())
    signal.addEventListener('abort', onAbort, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}
