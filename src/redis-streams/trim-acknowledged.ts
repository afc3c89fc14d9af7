import type { RunCommand } from './client.ts'
import type { ResolvedRedisStreamsOptions } from './options.ts'
import { standstills } from './standstill.ts'
import { compareIds, type GroupState, nextId, readGroups, readStream } from './stream-state.ts'

/** How often a stream is trimmed at most, in milliseconds. */
const INTERVAL = 1_000
/** How many XTRIMs, of 10,000 entries each, follow one look at the groups. */
const ROUNDS = 100
/** How many streams are remembered; where each event has its own there is nothing to gain. */
const MOST_STREAMS = 10_000

/** Trims streams to what some group still has to acknowledge, from time to time after entries were added. */
export class AcknowledgedTrim {
  readonly #options: ResolvedRedisStreamsOptions
  readonly #run: RunCommand
  readonly #streams = new Map<string, { last: number; timer: NodeJS.Timeout | undefined }>()
  #running: Promise<void> = Promise.resolve()
  #closed = false
  #trouble: unknown

  constructor(options: ResolvedRedisStreamsOptions, run: RunCommand) {
    this.#options = options
    this.#run = run
  }

  /** Why the last trim failed, if it did. */
  get trouble(): unknown {
    return this.#trouble
  }

  /** Call after adding to a stream. Never throws, and holds up nothing. */
  added(stream: string): void {
    if (this.#closed) return
    const known = this.#streams.get(stream)
    if (known?.timer) return
    const entry = known ?? { last: Number.NEGATIVE_INFINITY, timer: undefined }
    const wait = Math.max(0, entry.last + INTERVAL - performance.now())
    entry.timer = setTimeout(() => {
      entry.timer = undefined
      entry.last = performance.now()
      this.#running = this.#running.then(() => this.#pass(stream))
    }, wait)
    // The trim can wait for the next process.
    entry.timer.unref()
    this.#streams.set(stream, entry)
    if (this.#streams.size > MOST_STREAMS) this.#forgetOldest()
  }

  /** Ends when no command is in flight. */
  async close(): Promise<void> {
    this.#closed = true
    for (const { timer } of this.#streams.values()) clearTimeout(timer)
    await this.#running
  }

  async #pass(stream: string): Promise<void> {
    if (this.#closed) return
    try {
      const run = this.#run
      const from = await firstNeeded(run, stream, this.#options.groupExpiry)
      this.#trouble = undefined
      for (let round = 0; from !== undefined && round < ROUNDS && !this.#closed; round++) {
        if (Number(await run(stream, ['XTRIM', stream, 'MINID', '~', from])) === 0) return
      }
    } catch (error) {
      // The health check and `doctor` report it; an outage shows in sends.
      this.#trouble = error
    }
  }

  #forgetOldest(): void {
    const [oldest] = this.#streams.keys()
    if (oldest === undefined) return
    clearTimeout(this.#streams.get(oldest)?.timer)
    this.#streams.delete(oldest)
  }
}

/** The first id that some group still needs; undefined = all, since there is no group. */
async function firstNeeded(run: RunCommand, stream: string, expiry: number): Promise<string | undefined> {
  const state = await readStream(run, stream)
  if (state === undefined) return undefined
  const groups = await readGroups(run, stream)
  const { expired } = await standstills(run, stream, { ...state, groups }, expiry, 'record')
  let needed: string | undefined
  for (const group of groups) {
    if (expired.has(group.name)) continue
    const first = await firstNeededBy(run, stream, group)
    if (needed === undefined || compareIds(first, needed) < 0) needed = first
  }
  return needed
}

async function firstNeededBy(run: RunCommand, stream: string, group: GroupState): Promise<string> {
  const next = nextId(group.lastId)
  if (group.pending === 0) return next
  // Asked after the state was read: what was delivered in between comes after all that was pending.
  const [, first] = (await run(stream, ['XPENDING', stream, group.name])) as readonly [number, string | null]
  return first === null || first === undefined || compareIds(first, next) > 0 ? next : first
}
