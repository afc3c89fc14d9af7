import { connectAsync } from 'mqtt'
import { mqtt } from '../../src/mqtt/mqtt.ts'
import { inFlight, type Peer } from './peer.ts'

const url = process.env['MQTT_URL'] ?? 'mqtt://127.0.0.1:1883'

export const peer: Peer = {
  title: 'MQTT',
  process: 'mosquitto',
  loop: 'mqtt (MQTT.js), QoS 1, as many in flight as the server permits',
  async open(place) {
    const client = await connectAsync(url, { protocolVersion: 5 })
    const properties = { contentType: 'application/cloudevents+json; charset=utf-8' }
    return {
      backend: mqtt({ url, topic: place }),
      send: (payloads) =>
        inFlight(payloads, 20, ({ body }) => client.publishAsync(place, body, { qos: 1, properties })),
      close: () => client.endAsync(),
    }
  },
}
