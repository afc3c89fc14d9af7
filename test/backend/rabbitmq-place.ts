import { randomBytes } from 'node:crypto'
import { type Channel, type ChannelModel, type ConsumeMessage, connect } from 'amqplib'
import { decodeAmqp } from '../../src/event/amqp.ts'
import type { EncodableEvent } from '../../src/event/cloud-event.ts'

/** A direct exchange and a queue of a test's own; the queue gets what is published with the routing key `events`. */
export class RabbitMqPlace {
  readonly name: string
  readonly received: ConsumeMessage[] = []
  readonly channel: Channel
  readonly #model: ChannelModel

  constructor(name: string, model: ChannelModel, channel: Channel) {
    this.name = name
    this.#model = model
    this.channel = channel
  }

  static async make(url: string): Promise<RabbitMqPlace> {
    const name = `broadcaster-test-${randomBytes(6).toString('hex')}`
    const model = await connect(url)
    model.on('error', () => undefined)
    const place = new RabbitMqPlace(name, model, await model.createChannel())
    await place.channel.assertExchange(name, 'direct', { durable: true })
    // Gone with the test's connection, whatever happens.
    await place.channel.assertQueue(name, { exclusive: true })
    await place.channel.bindQueue(name, name, 'events')
    await place.channel.consume(name, (message) => message && place.received.push(message), { noAck: true })
    return place
  }

  /** The messages that have arrived until now, in order. */
  async messages(): Promise<readonly ConsumeMessage[]> {
    // The queue hands over what it has before it says that it is empty.
    while ((await this.channel.checkQueue(this.name)).messageCount > 0);
    return this.received
  }

  async read(): Promise<readonly EncodableEvent[]> {
    const messages = await this.messages()
    return messages.map(({ properties, content }) => decodeAmqp(properties.contentType, properties.headers, content))
  }

  async remove(): Promise<void> {
    await this.channel.deleteExchange(this.name)
    await this.#model.close()
  }
}
