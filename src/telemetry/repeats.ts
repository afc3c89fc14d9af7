/** A topic that was logged lately, and what has come since. */
interface Told<Line> {
  /** When the first of the lines was said. */
  since: number
  said: number
  unsaid: number
  /** The latest of the lines held back. */
  latest: Line | undefined
}

/** Topics remembered at once. */
const MOST_TOPICS = 1_000

/**
 * Keeps a log readable when the same thing goes wrong a thousand times: one line per topic and period, which says how
 * many it stands for. What was held back is said when the period ends, or at `flush`: nothing is held back for good.
 */
export class Repeats<Line> {
  readonly #quiet: number
  readonly #say: (line: Line, unsaid: number) => void
  readonly #told = new Map<string, Told<Line>>()
  #timer: NodeJS.Timeout | undefined

  /** `quiet`: the period, in milliseconds. `say` gets a line, and how many before it were held back for good. */
  constructor(quiet: number, say: (line: Line, unsaid: number) => void) {
    this.#quiet = quiet
    this.#say = say
  }

  /** Says the line, or counts it where its topic has had `most` (default 1) in this period. */
  tell(topic: string, line: Line, most = 1): void {
    const now = performance.now()
    const told = this.#told.get(topic)
    if (told === undefined || now - told.since >= this.#quiet) {
      // Set again, so that the first of the map is the one logged longest ago.
      this.#told.delete(topic)
      this.#told.set(topic, { since: now, said: 1, unsaid: 0, latest: undefined })
      this.#forgetOldest()
      this.#say(line, told?.unsaid ?? 0)
    } else if (told.said < most) {
      told.said++
      this.#say(line, 0)
    } else {
      told.unsaid++
      told.latest = line
      // A log must not keep the process alive.
      this.#timer ??= setTimeout(() => this.flush(), this.#quiet).unref()
    }
  }

  flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const now = performance.now()
    for (const told of this.#told.values()) this.#release(told, now)
  }

  #release(told: Told<Line>, now: number): void {
    const { latest, unsaid } = told
    if (latest === undefined) return
    Object.assign(told, { since: now, said: 1, unsaid: 0, latest: undefined })
    this.#say(latest, unsaid - 1)
  }

  #forgetOldest(): void {
    if (this.#told.size <= MOST_TOPICS) return
    for (const [topic, told] of this.#told) {
      this.#told.delete(topic)
      this.#release(told, 0)
      return
    }
  }
}

/** What is appended to a line that stands for others, too. */
export function moreLikeIt(unsaid: number): string {
  return unsaid > 0 ? ` (and ${unsaid} more like it before)` : ''
}
