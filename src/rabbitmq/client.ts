/** What we set on a message. Names as amqplib has them. */
export interface PublishProperties {
  readonly mandatory: true
  readonly persistent: true
  readonly contentType?: string
  readonly messageId?: string
  readonly type?: string
  /** Seconds since 1970. */
  readonly timestamp: number
  readonly headers: Readonly<Record<string, string | number | boolean>>
}

/**
 * What we call of amqplib's `ConfirmChannel`. A plain channel has no `waitForConfirms` and so does not compile here:
 * without confirms it is not known what arrived.
 */
export interface RabbitMqConfirmChannel {
  publish(
    exchange: string,
    routingKey: string,
    content: Buffer,
    properties?: PublishProperties,
    callback?: (error: unknown) => void,
  ): boolean
  waitForConfirms(): Promise<void>
  on(event: string, listener: (value: unknown) => void): unknown
  prependListener(event: string, listener: (value: unknown) => void): unknown
  removeListener(event: string, listener: (value: unknown) => void): unknown
}

/** A message that came back because no binding matches it. */
export interface ReturnedMessage {
  readonly fields: { readonly exchange: string; readonly routingKey: string; readonly replyCode?: number }
  readonly properties: { readonly messageId?: string }
  readonly content: Buffer
}

/** Whether it is a channel in confirm mode, by what it can do. */
export function isConfirmChannel(value: unknown): value is RabbitMqConfirmChannel {
  if (typeof value !== 'object' || value === null) return false
  const { publish, waitForConfirms, prependListener } = value as Partial<RabbitMqConfirmChannel>
  return [publish, waitForConfirms, prependListener].every((each) => typeof each === 'function')
}
