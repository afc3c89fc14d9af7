import { createClient } from 'redis'

/** Of so many entries one is timed: to parse each would cost as much as to send it. */
const SAMPLE = 10

/** Reads a stream and remembers how long each sampled entry took since `at` in its data, in ms since the epoch. */
export class Arrivals {
  readonly #redis: ReturnType<typeof createClient>
  readonly #stream: string
  #times: number[] = []
  #seen = 0
  #stopping = false
  #reading: Promise<void> | undefined

  constructor(redisUrl: string, stream: string) {
    this.#redis = createClient({ url: redisUrl })
    this.#stream = stream
  }

  async start(): Promise<void> {
    await this.#redis.connect()
    this.#reading = this.#read()
  }

  /** Entries since the start. */
  get seen(): number {
    return this.#seen
  }

  /** The times since the last call, sorted. */
  take(): readonly number[] {
    const times = this.#times
    this.#times = []
    return times.sort((one, other) => one - other)
  }

  async #read(): Promise<void> {
    for (let after = '0'; !this.#stopping; ) {
      const answer = await this.#redis.xRead({ key: this.#stream, id: after }, { COUNT: 1_000, BLOCK: 200 })
      const now = performance.timeOrigin + performance.now()
      for (const { id, message } of answer?.[0]?.messages ?? []) {
        after = id
        if (this.#seen++ % SAMPLE !== 0) continue
        const at = /"at":([0-9.]+)/.exec(message['cloud_event'] ?? '')?.[1]
        if (at !== undefined) this.#times.push(now - Number(at))
      }
    }
  }

  async stop(): Promise<void> {
    this.#stopping = true
    await this.#reading
    this.#redis.destroy()
  }
}
