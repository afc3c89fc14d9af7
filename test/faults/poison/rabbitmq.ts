import { randomBytes } from 'node:crypto'
import { connect } from 'amqplib'
import { rabbitmq } from '../../../src/rabbitmq/rabbitmq.ts'
import { rabbitmqSubscription } from '../../../src/rabbitmq/rabbitmq-subscription.ts'
import { servers, skipWithout } from '../../support/servers.ts'
import type { PoisonedBroker } from './poison.ts'

const large = (bytes: number) => ({ large: 'x'.repeat(bytes) })

export const broker: PoisonedBroker = {
  skip: () => skipWithout('rabbitmq'),
  async start() {
    const url = servers.rabbitmq()?.url ?? ''
    const name = `broadcaster-poison-${randomBytes(4).toString('hex')}`
    const model = await connect(url)
    const channel = await model.createConfirmChannel()
    await channel.assertExchange(name, 'topic')
    await channel.assertQueue(name, { durable: true })
    await channel.bindQueue(name, name, '#')
    return {
      backend: () => rabbitmq({ url, exchange: name, mode: 'binary' }),
      subscription: () => rabbitmqSubscription({ url, queue: name }),
      outgoing: [
        { type: 'just-over' },
        { type: 'over' },
        { type: 'far-over' },
        { type: 'ö'.repeat(200) },
        { type: 'content-type', data: 'x', dataContentType: 'text/plain' },
        { type: 'name' },
      ],
      sql: (table) =>
        `UPDATE ${table} SET data_content_type = 'text/plain;t=' || repeat('日', 86) WHERE event_type = 'content-type';
         UPDATE ${table} SET extensions = json_build_object(repeat('n', 300), 'x') WHERE event_type = 'name';
         UPDATE ${table} SET extensions = json_build_object('large', repeat('x', 65500)) WHERE event_type = 'just-over';
         UPDATE ${table} SET extensions = json_build_object('large', repeat('x', 80000)) WHERE event_type = 'over';
         UPDATE ${table} SET extensions = json_build_object('large', repeat('x', 102000)) WHERE event_type = 'far-over'`,
      async publishHostile() {
        channel.publish(name, 'large', Buffer.from('not an event'), { headers: large(65_000) })
        channel.publish(name, 'none', Buffer.from('{"no":"event"'), { contentType: 'application/cloudevents+json' })
        channel.publish(name, 'odd', Buffer.from('x'), {
          headers: { 'cloudEvents:id': null, 'cloudEvents:type': { nested: [1] }, at: { '!': 'timestamp', value: 1 } },
        })
        channel.publish(name, 'empty', Buffer.alloc(0), {})
        await channel.waitForConfirms()
        return 4
      },
      async remove() {
        for (const queue of [name, `${name}.dead`]) await channel.deleteQueue(queue)
        await channel.deleteExchange(name)
        await model.close()
      },
    }
  },
}
