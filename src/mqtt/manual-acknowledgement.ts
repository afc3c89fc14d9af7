type MqttJsClient = import('mqtt').MqttClient

interface Packet {
  readonly cmd: string
  readonly messageId?: number
  readonly reasonCode?: number
}

/** How the client sends packets; all that it writes once connected passes here. */
interface PacketSender {
  _sendPacket(packet: Packet, callback?: (error?: Error) => void, ...more: readonly unknown[]): unknown
}

/**
 * Keeps a client from acknowledging messages by itself, and returns how to do it by packet identifier. The client has
 * an option for that, `customHandleAcks`, but then reads nothing more from the connection until the acknowledgement is
 * decided: one message at a time. So the client goes on at once, and its packet is held back on the way out.
 */
export function acknowledgeByHand(client: MqttJsClient): (messageId: number) => void {
  const sender = client as unknown as PacketSender
  const send = sender._sendPacket.bind(client)
  sender._sendPacket = (packet, callback, ...more) => {
    if (packet.cmd !== 'puback') return send(packet, callback, ...more)
    callback?.()
    return client
  }
  return (messageId) => void send({ cmd: 'puback', messageId, reasonCode: 0 })
}
