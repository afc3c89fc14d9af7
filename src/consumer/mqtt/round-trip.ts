import { OutageError } from '../../backend/send-error.ts'

type MqttJsClient = import('mqtt').MqttClient

/** Pings a server, to know that it has read all that was written before. One ping at a time, for all that ask meanwhile. */
export class RoundTrip {
  readonly #client: MqttJsClient
  readonly #timeout: number
  readonly #lost: AbortSignal
  #last: Promise<unknown> = Promise.resolve()
  #next: Promise<void> | undefined

  /** `timeout` in milliseconds. `lost` aborts when the connection is gone. */
  constructor(client: MqttJsClient, timeout: number, lost: AbortSignal) {
    this.#client = client
    this.#timeout = timeout
    this.#lost = lost
  }

  /** Rejects with an `OutageError` when there is no answer. */
  next(): Promise<void> {
    this.#next ??= this.#last
      .catch(() => undefined)
      .then(() => {
        this.#next = undefined
        this.#last = this.#ping()
        return this.#last.then(() => undefined)
      })
    return this.#next
  }

  async #ping(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const onPacket = ({ cmd }: { readonly cmd: string }): void => {
      if (cmd === 'pingresp') resolve()
    }
    const onLost = (): void => reject(new OutageError('the connection to the MQTT server was lost'))
    const late = new OutageError(`no answer from the MQTT server within ${this.#timeout} ms`)
    const timer = setTimeout(() => reject(late), this.#timeout)
    this.#client.on('packetreceive', onPacket)
    this.#lost.addEventListener('abort', onLost, { once: true })
    try {
      if (this.#lost.aborted) onLost()
      else this.#client.sendPing()
      await promise
    } finally {
      clearTimeout(timer)
      this.#lost.removeEventListener('abort', onLost)
      this.#client.removeListener('packetreceive', onPacket)
    }
  }
}
