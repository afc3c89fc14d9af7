import { OutageError } from '../backend/send-error.ts'
import { BroadcasterError } from '../errors.ts'
import { Connection } from '../foundation/connection.ts'
import { settles } from '../foundation/waiting.ts'
import type { ResolvedNatsOptions } from './options.ts'
import { errorOfOpening } from './publish-error.ts'
import { checkStream } from './stream.ts'

type NatsIoConnection = import('@nats-io/transport-node').NatsConnection
type MsgHdrs = import('@nats-io/transport-node').MsgHdrs
type JetStreamClient = import('@nats-io/jetstream').JetStreamClient
type JetStreamManager = import('@nats-io/jetstream').JetStreamManager

/** A connection that is open, as far as we know, and whose stream was found. */
export interface OpenNats {
  readonly nats: NatsIoConnection
  readonly jetstream: JetStreamClient
  readonly manager: JetStreamManager
  /**
   * Repeats an idempotent question to JetStream until it answers or `timeout` is over. While a stream has no leader no
   * request is answered, and a request made before the election is not answered after it.
   */
  ask<T>(question: (manager: JetStreamManager) => Promise<T>): Promise<T>
  readonly headers: () => MsgHdrs
}

/** When a question to JetStream is asked again, in milliseconds; `docs/guarantees.md` says what that saves. */
const ASK_AGAIN = 500

export type NatsConnection = Connection<OpenNats>

/**
 * The connection of one backend. One that we open does not reconnect: the client would then publish what we have
 * already reported as an outage.
 */
export function natsConnection(options: ResolvedNatsOptions): NatsConnection {
  const isOurs = options.client === undefined
  const end = (nats: NatsIoConnection): void => {
    if (isOurs) nats.close().catch(() => undefined)
  }
  const connection: NatsConnection = new Connection<OpenNats>({
    async open() {
      const open = await connect(options, end)
      if (isOurs && options.url.length > 1) void leaveWhenLame(connection, open, options.timeout)
      return open
    },
    isUsable: ({ nats }) => !nats.isClosed(),
    end: ({ nats }) => end(nats),
    close: async ({ nats }) => isOurs && nats.close(),
    interrupted: (cause) => new OutageError('the send ended before NATS was connected', { cause }),
  })
  return connection
}

async function connect(options: ResolvedNatsOptions, end: (nats: NatsIoConnection) => void): Promise<OpenNats> {
  const { connect: open, headers, jetstream, jetstreamManager } = await importNats()
  const { url, client, connection, connectTimeout, timeout, stream } = options
  let nats: NatsIoConnection | undefined
  try {
    nats = client
      ? (client as unknown as NatsIoConnection)
      : await open({
          ...connection,
          servers: [...url],
          timeout: connectTimeout,
          reconnect: false,
          // A stack trace for each publish would be half of its cost.
          noAsyncTraces: true,
        })
    if (nats.isClosed()) throw new OutageError('the injected connection is closed')
    const own = { ...options.jetstream, timeout }
    const manager = await jetstreamManager(nats, { ...own, checkAPI: false })
    const brief = { ...own, timeout: Math.min(timeout, ASK_AGAIN), checkAPI: false }
    const ask = askAgain(await jetstreamManager(nats, brief), timeout)
    await checkStream(ask, stream)
    return { nats, manager, ask, headers, jetstream: jetstream(nats, own) }
  } catch (error) {
    if (nats) end(nats)
    throw errorOfOpening(error)
  }
}

/** A server in lame duck mode takes no new connections and will end this one: the next send goes to another. */
async function leaveWhenLame(connection: NatsConnection, open: OpenNats, timeout: number): Promise<void> {
  for await (const { type } of open.nats.status()) {
    if (type !== 'ldm') continue
    connection.forget(open)
    // Time for what is in flight on it.
    await settles(open.nats.closed(), { timeout, signal: connection.ended })
    open.nats.close().catch(() => undefined)
    return
  }
}

function askAgain(manager: JetStreamManager, patience: number): OpenNats['ask'] {
  return async (question) => {
    const end = performance.now() + patience
    for (;;) {
      try {
        return await question(manager)
      } catch (error) {
        const silent = error instanceof Error && error.name === 'TimeoutError'
        if (!silent || performance.now() >= end) throw error
      }
    }
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
