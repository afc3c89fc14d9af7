import { OutageError } from '../backend/send-error.ts'
import { waitFor } from '../foundation/waiting.ts'

type MqttJsClient = import('mqtt').MqttClient

export type Pinger = ReturnType<typeof pinger>

/**
 * Pings a server, to know that it has read all that was written before. One ping at a time, shared by its callers.
 * `timeout` in milliseconds. `lost` aborts when the connection is gone.
 */
export function pinger(client: MqttJsClient, timeout: number, lost: AbortSignal) {
  let last: Promise<void> = Promise.resolve()
  let next: Promise<void> | undefined

  async function ping(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const onPacket = ({ cmd }: { readonly cmd: string }): void => {
      if (cmd === 'pingresp') resolve()
    }
    const late = (): string =>
      lost.aborted
        ? 'the connection to the MQTT server was lost'
        : `no answer from the MQTT server within ${timeout} ms`
    client.on('packetreceive', onPacket)
    try {
      if (!lost.aborted) client.sendPing()
      await waitFor(promise, { timeout, signal: lost }, () => new OutageError(late()))
    } finally {
      client.removeListener('packetreceive', onPacket)
    }
  }

  return {
    /** Rejects with an `OutageError` when there is no answer. */
    next(): Promise<void> {
      next ??= last
        .catch(() => undefined)
        .then(() => {
          next = undefined
          last = ping()
          return last
        })
      return next
    },
  }
}
