import { connect } from 'amqplib'
import { rabbitmq } from '../../src/rabbitmq/rabbitmq.ts'
import type { Peer } from './peer.ts'

const url = process.env['AMQP_URL'] ?? 'amqp://guest:guest@127.0.0.1:5672'

export const peer: Peer = {
  title: 'RabbitMQ',
  process: 'beam.smp',
  loop: 'amqplib, persistent and mandatory, a confirm for every 1,000',
  async open(queue) {
    const model = await connect(url, { noDelay: true })
    const channel = await model.createConfirmChannel()
    await channel.assertQueue(queue)
    const contentType = 'application/cloudevents+json; charset=utf-8'
    return {
      backend: rabbitmq({ url, routingKey: queue }),
      async send(payloads) {
        for (let at = 0; at < payloads.length; at += 1_000) {
          for (const { id, body } of payloads.slice(at, at + 1_000)) {
            const properties = { persistent: true, mandatory: true, contentType, messageId: id, type: 'order.created' }
            channel.publish('', queue, body, properties)
          }
          await channel.waitForConfirms()
        }
      },
      async close() {
        await channel.deleteQueue(queue)
        await model.close()
      },
    }
  },
}
