import { OutageError } from '../backend/send-error.ts'
import { BroadcasterError } from '../errors.ts'
import { Connection } from '../foundation/connection.ts'
import { waitFor } from '../foundation/waiting.ts'
import { type ConfirmingChannel, confirmingChannel } from './confirming-channel.ts'
import type { Address, ResolvedRabbitMqOptions } from './options.ts'
import { errorOfConnection } from './send-failure.ts'

type AmqpModel = import('amqplib').ChannelModel
type AmqpChannel = import('amqplib').ConfirmChannel

/** A connection that is open, as far as we know. */
interface Link {
  readonly model: AmqpModel
  readonly channels: Map<string, Promise<ConfirmingChannel>>
  readonly open: Set<{ readonly confirming: ConfirmingChannel; readonly channel: AmqpChannel }>
  /** Why RabbitMQ accepts no messages now; undefined = it does. */
  blocked: string | undefined
  error: unknown
}

/** RabbitMQ permits 2,047 on a connection. */
const MOST_CHANNELS = 200

/**
 * The connection of one backend: opened for the first send, and again for the next one after it was lost. With an
 * injected channel it only hands that out.
 */
export class RabbitMqConnection {
  readonly #options: ResolvedRabbitMqOptions
  readonly #injected: ConfirmingChannel | undefined
  readonly #link: Connection<Link>
  /** Why the last connection was lost. */
  #lost: unknown
  /** A counter, of which the next address to try follows. */
  #turn = 0

  constructor(options: ResolvedRabbitMqOptions) {
    this.#options = options
    const { channel, timeout } = options
    this.#injected = channel && confirmingChannel(channel, timeout, () => undefined)
    this.#link = new Connection<Link>({
      open: () => this.#connect(),
      end: (link) => this.#drop(link, undefined),
      close: (link) => this.#within(link, () => link.model.close()),
      interrupted: (reason) => errorOfConnection(reason, 'the send ended before RabbitMQ answered'),
    })
  }

  get closed(): boolean {
    return this.#link.closed
  }

  get lost(): unknown {
    return this.#lost
  }

  /** The channel of this name, opened when there is none. Rejects with an `OutageError` or `MISSING_DEPENDENCY`. */
  async channel(name: string, signal: AbortSignal): Promise<ConfirmingChannel> {
    if (this.#injected && !this.closed) return this.#injected
    const link = await this.#link.get(signal)
    if (link.blocked !== undefined) throw new OutageError(`RabbitMQ accepts no messages now: ${link.blocked}`)
    const channel = await untilAborted(this.#channelOf(link, name), signal)
    if (!channel.spent) return channel
    this.#retire(link, name, channel)
    return await untilAborted(this.#channelOf(link, name), signal)
  }

  /** The connection itself, opened when there is none, for channels of the caller's own. Rejects as `channel` does. */
  async model(signal?: AbortSignal): Promise<AmqpModel> {
    return (await this.#link.get(signal)).model
  }

  /** Opens the connection, and checks that RabbitMQ answers; `exchange` must exist. Rejects as `channel` does. */
  async probe(exchange: string | undefined, signal: AbortSignal): Promise<void> {
    if (this.#injected && !this.closed) {
      if (this.#injected.closed) throw new OutageError('the channel has closed', { cause: this.#injected.error })
      return
    }
    const link = await this.#link.get(signal)
    if (link.blocked !== undefined) throw new OutageError(`RabbitMQ accepts no messages now: ${link.blocked}`)
    await untilAborted(
      this.#within(link, async () => {
        const channel = await link.model.createChannel()
        // The rejection carries the same error.
        channel.on('error', () => undefined)
        if (exchange !== undefined) await channel.checkExchange(exchange)
        await channel.close()
      }),
      signal,
    )
  }

  /** Lets `close` wait for the promise. */
  track<T>(promise: Promise<T>): Promise<T> {
    return this.#link.track(promise)
  }

  /** Waits for what is in flight, and closes what we opened. Idempotent. */
  close(): Promise<void> {
    return this.#link.close().then(() => this.#injected?.release())
  }

  /**
   * Connects to the first address that serves, each tried once, beginning with the one whose turn it is. They share
   * `connectTimeout`: a silent one may use it up, and the next attempt then begins with the one after it.
   */
  async #connect(): Promise<Link> {
    const { addresses, connectTimeout } = this.#options
    const { connect } = await importAmqplib()
    const end = performance.now() + connectTimeout
    for (let tried = 1; ; tried++) {
      const address = addresses[this.#turn % addresses.length]
      if (address === undefined) throw new OutageError('there is no address of RabbitMQ')
      const left = Math.ceil(end - performance.now())
      try {
        return await this.#connectTo(address, connect, Math.max(1, left))
      } catch (error) {
        this.#turn++
        if (tried >= addresses.length || performance.now() >= end || this.closed) throw error
      }
    }
  }

  async #connectTo(
    address: Address,
    connect: typeof import('amqplib')['connect'],
    connectTimeout: number,
  ): Promise<Link> {
    const { heartbeat, create } = this.#options
    const { tls, vhost, ...rest } = address
    const connecting = connect(
      // amqplib takes the vhost's name as it would be in a url.
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
      // These may still arrive, but before anything that is sent once RabbitMQ accepts messages again.
      for (const { confirming } of link.open) confirming.giveUp('blocked')
    })
    model.on('unblocked', () => {
      link.blocked = undefined
    })
    if (create) {
      const { name, type, durable } = create
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
    return link
  }

  #channelOf(link: Link, name: string): Promise<ConfirmingChannel> {
    const known = link.channels.get(name)
    if (known !== undefined) return known
    const opening = this.#openChannel(link, name)
    link.channels.set(name, opening)
    return opening
  }

  /** Closes a channel on which nothing is in flight; the next send opens another. */
  #retire(link: Link, name: string, confirming: ConfirmingChannel): void {
    for (const opened of link.open) {
      // Another caller that waited for the same channel may have retired it already.
      if (opened.confirming !== confirming) continue
      link.open.delete(opened)
      link.channels.delete(name)
      opened.channel.close().catch(() => undefined)
    }
  }

  async #openChannel(link: Link, name: string): Promise<ConfirmingChannel> {
    await this.#makeRoom(link)
    try {
      const channel = await this.#within(link, () => link.model.createConfirmChannel())
      const confirming = confirmingChannel(channel, this.#options.timeout, () => {
        this.#drop(link, new Error(`no confirm within ${this.#options.timeout} ms`))
      })
      const opened = { confirming, channel }
      link.open.add(opened)
      channel.on('close', () => {
        // One that was retired has a successor of its name.
        if (link.open.delete(opened)) link.channels.delete(name)
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

  /** Makes a request on a connection, which is dropped when no answer comes in time. */
  async #within<T>(link: Link, ask: () => Promise<T>): Promise<T> {
    return await within(this.#options.connectTimeout, ask(), () => {
      this.#drop(link, new Error(`no answer within ${this.#options.connectTimeout} ms`))
    })
  }

  /** Forgets a connection and ends its socket at once: nothing sent on it may arrive later. */
  #drop(link: Link, error: unknown): void {
    // Whatever ended it, another node may do better.
    if (this.#link.forget(link)) this.#turn++
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

function within<T>(timeout: number, promise: Promise<T>, onTimeout: () => void): Promise<T> {
  return waitFor(promise, { timeout }, () => {
    onTimeout()
    return new OutageError(`no answer from RabbitMQ within ${timeout} ms`)
  })
}

function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return waitFor(promise, { signal }, () => errorOfConnection(signal.reason, 'the send ended before RabbitMQ answered'))
}
