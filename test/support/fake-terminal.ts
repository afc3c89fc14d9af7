import type { Terminal } from '../../src/cli/terminal.ts'

const PLACE = /broadcaster: (sqlite|postgres|mysql|memory) \S*outbox_events( at| in|$)/

/** A terminal that remembers what was printed. */
export class FakeTerminal implements Terminal {
  readonly lines: string[] = []
  readonly notes: string[] = []
  readonly shown: string[] = []
  readonly env: Record<string, string | undefined>
  readonly cwd: string
  readonly coloured: { readonly out: boolean; readonly note: boolean }
  readonly width: number | undefined
  readonly noteWidth: number | undefined
  readonly stop = new AbortController()
  readonly #input: string
  #onLine: ((line: string) => void) | undefined

  constructor(
    cwd: string,
    options: {
      readonly env?: Readonly<Record<string, string>>
      readonly input?: string
      readonly coloured?: boolean
      readonly width?: number
    } = {},
  ) {
    this.cwd = cwd
    this.coloured = { out: options.coloured === true, note: options.coloured === true }
    this.width = options.width
    this.noteWidth = options.width
    this.env = { ...options.env }
    this.#input = options.input ?? ''
  }

  out(line: string): void {
    this.lines.push(line)
    this.#onLine?.(line)
  }
  note(line: string): void {
    this.notes.push(line)
  }
  progress(text: string): void {
    this.shown.push(text)
  }
  /** Nobody watches. */
  fullScreen(): undefined {
    return undefined
  }
  /** The answers to come; without one nobody watches. */
  readonly answers: boolean[] = []
  readonly questions: string[] = []
  async ask(question: string): Promise<boolean | undefined> {
    this.questions.push(question)
    return this.answers.shift()
  }
  async readInput(): Promise<string> {
    return this.#input
  }
  stopSignal(): AbortSignal {
    return this.stop.signal
  }

  /** All that was printed as the result. */
  get output(): string {
    return this.lines.join('\n')
  }
  /** All that was printed for the person watching, but for the line that tells where the outbox is. */
  get warnings(): string {
    return this.notes.filter((line) => !PLACE.test(line)).join('\n')
  }
  /** The result as JSON. */
  get json(): Record<string, unknown> {
    return JSON.parse(this.output) as Record<string, unknown>
  }

  /** Resolves with the first line of the result that matches, printed already or later. */
  line(pattern: RegExp): Promise<string> {
    const there = this.lines.find((line) => pattern.test(line))
    if (there !== undefined) return Promise.resolve(there)
    return new Promise((resolve) => {
      this.#onLine = (line) => {
        if (pattern.test(line)) resolve(line)
      }
    })
  }
}
