import { BroadcasterError } from '../../errors.ts'
import { OutageError } from '../send-error.ts'
import { ConfirmingChannel } from './confirming-channel.ts'
import type { ResolvedRabbitMqOptions } from './options.ts'
import { errorOfConnection } from './send-failure.ts'

type AmqpModel = import('amqplib').ChannelModel
type AmqpChannel = import('amqplib').ConfirmChannel

/** A connection that is open, as far as we know. */
interface Link {
  readonly model: AmqpModel
  readonly channels: Map<string, Promise<ConfirmingChannel>>
  readonly open: Set<{ readonly confirming: ConfirmingChannel; readonly channel: AmqpChannel }>
  /** Why RabbitMQ takes no messages now; undefined = it does. */
  blocked: string | undefined
  error: unknown
}

/** RabbitMQ permits 2,047 on a connection. */
const MOST_CHANNELS = 200

/**
 * The connection of one backend: opened for the first send, and anew for the next one after it was lost. With an
 * injected channel it only hands that out.
 */
export class RabbitMqConnection {
  readonly #options: ResolvedRabbitMqOptions
  readonly #injected: ConfirmingChannel | undefined
  #link: Link | undefined
  #opening: Promise<Link> | undefined
  #closing: Promise<void> | undefined
  /** Why the last connection was lost. */
  #lost: unknown

  constructor(options: ResolvedRabbitMqOptions) {
    this.#options = options
    const { channel, confirmTimeout } = options
    this.#injected = channel && new ConfirmingChannel(channel, confirmTimeout, () => undefined)
  }

  get closed(): boolean {
    return this.#closing !== undefined
  }

  get lost(): unknown {
    return this.#lost
  }

  /**
   * The channel of this name, which is opened when there is none. Rejects with an `OutageError`, or
   * `MISSING_DEPENDENCY`.
   */
  async channel(name: string, signal: AbortSignal): Promise<ConfirmingChannel> {
    if (this.closed) throw new BroadcasterError('SEND_NOT_ATTEMPTED', 'this backend is closed')
    if (this.#injected) return this.#injected
    const link = await this.#open(signal)
    if (link.blocked !== undefined) throw new OutageError(`RabbitMQ takes no messages now: ${link.blocked}`)
    let opening = link.channels.get(name)
    if (!opening) {
      opening = this.#openChannel(link, name)
      link.channels.set(name, opening)
    }
    return await untilAborted(opening, signal)
  }

  /** The connection itself, opened when there is none, for channels of the caller's own. Rejects as `channel` does. */
  async model(signal: AbortSignal): Promise<AmqpModel> {
    if (this.closed) throw new BroadcasterError('CLOSED', 'the connection is closed')
    return (await this.#open(signal)).model
  }

  /** Opens the connection, and looks whether RabbitMQ answers; `exchange` must exist. Rejects as `channel` does. */
  async probe(exchange: string | undefined, signal: AbortSignal): Promise<void> {
    if (this.closed) throw new BroadcasterError('CLOSED', 'this backend is closed')
    if (this.#injected) {
      if (this.#injected.closed) throw new OutageError('the channel has closed', { cause: this.#injected.error })
      return
    }
    const link = await this.#open(signal)
    if (link.blocked !== undefined) throw new OutageError(`RabbitMQ takes no messages now: ${link.blocked}`)
    await untilAborted(
      this.#within(link, async () => {
        const channel = await link.model.createChannel()
        // What it says is in the rejection too.
        channel.on('error', () => undefined)
        if (exchange !== undefined) await channel.checkExchange(exchange)
        await channel.close()
      }),
      signal,
    )
  }

  /** Closes what we opened. Nothing may be under way. */
  close(): Promise<void> {
    return (this.#closing ??= this.#close())
  }

  async #close(): Promise<void> {
    this.#injected?.release()
    await this.#opening?.catch(() => undefined)
    const link = this.#link
    if (!link) return
    await this.#within(link, () => link.model.close()).catch(() => undefined)
    this.#drop(link, undefined)
  }

  async #open(signal: AbortSignal): Promise<Link> {
    if (this.#link) return this.#link
    this.#opening ??= this.#connect().finally(() => {
      this.#opening = undefined
    })
    // Others may be waiting for the same connection: an abort ends this wait, not the attempt.
    return await untilAborted(this.#opening, signal)
  }

  async #connect(): Promise<Link> {
    const { address, heartbeat, connectTimeout, declare } = this.#options
    const { connect } = await importAmqplib()
    const { tls, vhost, ...rest } = address
    const connecting = connect(
      // amqplib takes the name of the vhost as it stands in a url.
      { protocol: tls === false ? 'amqp' : 'amqps', vhost: encodeURIComponent(vhost), heartbeat, ...rest },
      {
        ...(typeof tls === 'object' ? tls : {}),
        // Without it the kernel waits for more to send before it sends the last piece of a batch.
        noDelay: true,
        timeout: connectTimeout,
        clientProperties: { connection_name: 'ts-broadcaster' },
      },
    )
    const model = await within(connectTimeout, connecting, () => void connecting.then(destroy, () => undefined))
    const link: Link = { model, channels: new Map(), open: new Set(), blocked: undefined, error: undefined }
    model.on('error', (error) => void (link.error ??= error))
    model.on('close', (error) => this.#drop(link, error))
    model.on('blocked', (reason) => {
      link.blocked = reason
      // They may still arrive, before all that is sent when RabbitMQ takes messages again.
      for (const { confirming } of link.open) confirming.giveUp('blocked')
    })
    model.on('unblocked', () => {
      link.blocked = undefined
    })
    if (declare) {
      const { name, type, durable } = declare
      await this.#within(link, async () => {
        const channel = await model.createChannel()
        channel.on('error', () => undefined)
        await channel.assertExchange(name, type, { durable })
        await channel.close()
      }).catch((error: unknown) => {
        this.#drop(link, error)
        throw error
      })
    }
    if (link.error !== undefined) throw link.error
    this.#link = link
    return link
  }

  async #openChannel(link: Link, name: string): Promise<ConfirmingChannel> {
    await this.#makeRoom(link)
    try {
      const channel = await this.#within(link, () => link.model.createConfirmChannel())
      const confirming = new ConfirmingChannel(channel, this.#options.confirmTimeout, () => {
        this.#drop(link, new Error(`no confirm within ${this.#options.confirmTimeout} ms`))
      })
      const opened = { confirming, channel }
      link.open.add(opened)
      channel.on('close', () => {
        link.open.delete(opened)
        link.channels.delete(name)
      })
      return confirming
    } catch (error) {
      link.channels.delete(name)
      throw error
    }
  }

  async #makeRoom(link: Link): Promise<void> {
    if (link.open.size < MOST_CHANNELS) return
    for (const { confirming, channel } of link.open) {
      if (!confirming.idle) continue
      return await this.#within(link, () => channel.close())
    }
  }

  /** Asks something of a connection, which is dropped when it does not answer in time. */
  async #within<T>(link: Link, ask: () => Promise<T>): Promise<T> {
    return await within(this.#options.connectTimeout, ask(), () => {
      this.#drop(link, new Error(`no answer within ${this.#options.connectTimeout} ms`))
    })
  }

  /** Forgets a connection and ends its socket at once: nothing of it may arrive later. */
  #drop(link: Link, error: unknown): void {
    if (this.#link === link) this.#link = undefined
    this.#lost = link.error ?? error ?? this.#lost
    link.error ??= error ?? new Error('closed')
    destroy(link.model)
  }
}

async function importAmqplib(): Promise<typeof import('amqplib')> {
  try {
    return await import('amqplib')
  } catch (cause) {
    throw new BroadcasterError(
      'MISSING_DEPENDENCY',
      'rabbitmq() opens its connection with the package amqplib, which is not installed: `npm install amqplib`, or pass a confirm channel of your own as { channel }',
      { field: 'channel', cause },
    )
  }
}

/** amqplib has no call for it: `close` waits for an answer, which a lost peer never gives. */
function destroy(model: AmqpModel): void {
  const { stream } = model.connection as { readonly stream?: import('node:stream').Duplex }
  // The error makes amqplib end its timers and channels; it is not emitted when the socket has ended already.
  if (stream && !stream.destroyed) stream.destroy(new Error('dropped'))
}

async function within<T>(timeout: number, promise: Promise<T>, onTimeout: () => void): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      reject(new OutageError(`no answer from RabbitMQ within ${timeout} ms`))
      onTimeout()
    }, timeout)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const onAbort = (): void => reject(errorOfConnection(signal.reason, 'the send ended before RabbitMQ answered'))
    signal.addEventListener('abort', onAbort, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
    if (signal.aborted) onAbort()
  })
}
