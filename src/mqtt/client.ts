/** What we set on a message. Names as the package `mqtt` has them. */
export interface MqttPublishOptions {
  readonly qos: 1 | 2
  readonly retain: boolean
  readonly properties: {
    readonly contentType?: string
    readonly userProperties?: Record<string, string | string[]>
    /** Seconds. */
    readonly messageExpiryInterval?: number
    readonly payloadFormatIndicator?: boolean
    readonly responseTopic?: string
    readonly correlationData?: Buffer
  }
}

/** A server's limits, which it states when it accepts a connection; a missing one means no limit. */
export interface ServerProperties {
  /** Messages that may wait for their acknowledgement. */
  readonly receiveMaximum?: number
  readonly maximumQoS?: number
  readonly retainAvailable?: boolean
  readonly maximumPacketSize?: number
}

/** What we read of a packet. */
export interface ReceivedPacket {
  readonly cmd: string
  readonly messageId?: number | undefined
  readonly reasonCode?: number | undefined
}

/** What we call of an `MqttClient` of the package `mqtt`. */
export interface MqttClient {
  readonly connected: boolean
  readonly options: { readonly reconnectPeriod?: number | undefined; readonly protocolVersion?: number | undefined }
  readonly serverProperties?: ServerProperties | undefined
  publish(
    topic: string,
    message: Buffer,
    options: MqttPublishOptions,
    callback: (error?: Error | null) => void,
  ): unknown
  sendPing(): void
  on(event: 'packetreceive', listener: (packet: ReceivedPacket) => void): unknown
  on(event: 'error', listener: (error: Error) => void): unknown
  on(event: 'close', listener: () => void): unknown
  removeListener(event: 'packetreceive', listener: (packet: ReceivedPacket) => void): unknown
  removeListener(event: 'error', listener: (error: Error) => void): unknown
  removeListener(event: 'close', listener: () => void): unknown
}

/** Whether it is a client of the package `mqtt`, by what it can do. */
export function isMqttClient(value: unknown): value is MqttClient {
  if (typeof value !== 'object' || value === null) return false
  const { publish, sendPing, on, options } = value as Partial<MqttClient>
  return [publish, sendPing, on].every((each) => typeof each === 'function') && typeof options === 'object'
}
