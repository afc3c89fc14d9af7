import { randomBytes } from 'node:crypto'
import { connectAsync, type IPublishPacket, type MqttClient } from 'mqtt'
import type { EncodableEvent } from '../../src/event/cloud-event.ts'
import { decodeMqtt } from '../../src/event/mqtt.ts'

/** Topics of a test's own, and a subscriber to all of them. */
export class MqttPlace {
  readonly name: string
  readonly client: MqttClient
  readonly received: IPublishPacket[] = []
  #marked = Promise.withResolvers<void>()

  private constructor(name: string, client: MqttClient) {
    this.name = name
    this.client = client
    client.on('error', () => undefined)
    client.on('message', (topic, _payload, packet) => {
      if (topic === `${this.name}/marker`) this.#marked.resolve()
      else this.received.push(packet)
    })
  }

  static async make(url: string, name = `broadcaster-test-${randomBytes(6).toString('hex')}`): Promise<MqttPlace> {
    const properties = { sessionExpiryInterval: 60, receiveMaximum: 65_535 }
    const options = { protocolVersion: 5, clean: false, clientId: name, reconnectPeriod: 50, properties } as const
    const place = new MqttPlace(name, await connectAsync(url, options))
    await place.client.subscribeAsync(`${name}/#`, { qos: 2 })
    return place
  }

  /** Resolves when the subscriber is there again, after the server was away. */
  async connected(): Promise<void> {
    if (!this.client.connected) await new Promise<void>((resolve) => this.client.once('connect', () => resolve()))
    await this.client.subscribeAsync(`${this.name}/#`, { qos: 2 })
  }

  /** What has arrived until now, in order. */
  async messages(): Promise<readonly IPublishPacket[]> {
    this.#marked = Promise.withResolvers()
    await this.client.publishAsync(`${this.name}/marker`, '', { qos: 2 })
    await this.#marked.promise
    return this.received
  }

  async read(): Promise<readonly EncodableEvent[]> {
    return (await this.messages()).map(({ properties, payload }) =>
      decodeMqtt(properties?.contentType, properties?.userProperties, payload),
    )
  }

  async remove(): Promise<void> {
    await this.client.endAsync(true)
  }
}
