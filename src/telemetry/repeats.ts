/** What was said lately, and how often it happened since. */
interface Told {
  since: number
  unsaid: number
}

/** Topics remembered at once. */
const MOST_TOPICS = 1_000

/** Keeps a log readable when the same thing goes wrong a thousand times: of a topic one line in a while, and how many it stands for. */
export class Repeats {
  readonly #quiet: number
  readonly #told = new Map<string, Told>()

  /** `quiet`: how long a topic that has had a line is only counted, in milliseconds. */
  constructor(quiet: number) {
    this.#quiet = quiet
  }

  /** What to append to the line of this topic; undefined = it had one just now, and this one is counted. */
  suffix(topic: string): string | undefined {
    const now = performance.now()
    const told = this.#told.get(topic)
    if (told !== undefined && now - told.since < this.#quiet) {
      told.unsaid++
      return undefined
    }
    // Set again, so that the first of the map is the one that was reported longest ago.
    this.#told.delete(topic)
    this.#told.set(topic, { since: now, unsaid: 0 })
    const [oldest] = this.#told.keys()
    if (this.#told.size > MOST_TOPICS && oldest !== undefined) this.#told.delete(oldest)
    return told !== undefined && told.unsaid > 0 ? ` (and ${told.unsaid} more like it before)` : ''
  }
}
