import { randomBytes } from 'node:crypto'
import { connect } from 'amqplib'
import type { Backend } from '../../src/backend/backend.ts'
import type { Subscription } from '../../src/consumer/subscription.ts'
import { rabbitmq } from '../../src/rabbitmq/rabbitmq.ts'
import { type RabbitMqSubscriptionOptions, rabbitmqSubscription } from '../../src/rabbitmq/rabbitmq-subscription.ts'
import type { StoredDeadLetter } from '../../src/testing/subscription-conformance.ts'
import { StoppableProxy } from '../backend/stoppable-proxy.ts'
import { servers } from '../support/servers.ts'

type Model = Awaited<ReturnType<typeof connect>>
type Channel = Awaited<ReturnType<Model['createConfirmChannel']>>

/** An exchange of a test's own, the way to it, and the queues of its consumers. */
export class RabbitMqConsumingPlace {
  readonly name = `broadcaster-test-${randomBytes(6).toString('hex')}`
  readonly backend: Backend
  readonly proxy: StoppableProxy
  readonly channel: Channel
  readonly url: string
  readonly #model: Model
  readonly #made: Subscription[] = []

  private constructor(model: Model, channel: Channel, proxy: StoppableProxy, url: URL, mode: 'structured' | 'binary') {
    this.#model = model
    this.channel = channel
    this.proxy = proxy
    const exchange = { name: this.name, type: 'topic' } as const
    this.backend = rabbitmq({ url: url.href, create: { exchange }, mode })
    const through = new URL(url)
    through.port = String(proxy.port)
    this.url = through.href
  }

  static async make(mode: 'structured' | 'binary' = 'structured'): Promise<RabbitMqConsumingPlace> {
    const url = new URL(servers.rabbitmq()?.url ?? '')
    const proxy = await StoppableProxy.to(Number(url.port || 5672))
    const model = await connect(url.href)
    model.on('error', () => undefined)
    const place = new RabbitMqConsumingPlace(model, await model.createConfirmChannel(), proxy, url, mode)
    await place.backend.connect?.(AbortSignal.timeout(10_000))
    return place
  }

  get queue(): string {
    return `${this.name}.queue`
  }

  subscribe(options: RabbitMqSubscriptionOptions = {}): Subscription {
    const subscription = rabbitmqSubscription({
      url: this.url,
      queue: this.queue,
      prefetch: 2_000,
      create: { queue: { type: 'classic' }, bindings: [{ exchange: this.name }] },
      ...options,
    })
    this.#made.push(subscription)
    return subscription
  }

  async deadLetters(queue = `${this.queue}.dead`): Promise<readonly StoredDeadLetter[]> {
    const found: StoredDeadLetter[] = []
    for (let message = await this.channel.get(queue); message; message = await this.channel.get(queue)) {
      const header = (name: string): unknown => message?.properties.headers?.[`broadcaster-${name}`]
      found.push({
        body: message.content,
        consumer: String(header('consumer')),
        error: String(header('error')),
        attempts: Number(header('attempts')),
      })
    }
    return found
  }

  async remove(...queues: readonly string[]): Promise<void> {
    for (const subscription of this.#made) await subscription.close()
    await this.backend.close()
    await this.proxy.stop()
    for (const queue of [this.queue, `${this.queue}.dead`, ...queues]) await this.channel.deleteQueue(queue)
    await this.channel.deleteExchange(this.name)
    await this.#model.close()
  }
}
