import { createInterface } from 'node:readline'
import { takeWindow } from './full-screen.ts'

/** What a whole line may be shown in. */
export type Colour = 'red' | 'green' | 'yellow' | 'dim' | 'bold'

/** A line of a window. */
export interface Line {
  readonly text: string
  readonly colour?: Colour | undefined
}

/** The whole window of the person who watches, until it is closed. */
export interface FullScreen {
  readonly columns: number
  readonly rows: number
  /** Shows these lines, and nothing else. */
  draw(lines: readonly Line[]): void
  /** Calls when the window has another size. */
  onResize(listener: () => void): void
  /** Aborts when the person wants it to end: q, Ctrl-C or Ctrl-D. */
  readonly closed: AbortSignal
  /** Gives the window back as it was. Idempotent. */
  close(): void
}

/** Where a command runs: the process around it, as far as commands may know. Tests give their own. */
export interface Terminal {
  /** Prints a line of the result, to standard output. */
  out(line: string, colour?: Colour): void
  /** Prints a line for the person watching, to standard error. */
  note(line: string, colour?: Colour): void
  /** Shows how far a long work has come; each call replaces the last where a person watches. */
  progress(text: string): void
  /** Whether each of the two shows colours. */
  readonly coloured: { readonly out: boolean; readonly note: boolean }
  /** The columns of the window that shows the result; undefined where there is no terminal. */
  readonly width: number | undefined
  /** The same for what is printed for the person watching. */
  readonly noteWidth: number | undefined
  readonly env: Readonly<Record<string, string | undefined>>
  /** The working folder. */
  readonly cwd: string
  /** Takes the whole window; undefined where nobody watches, or cannot answer. `paint` makes the text of a line. */
  fullScreen(paint?: (line: Line) => string): FullScreen | undefined
  /** Asks the person who watches for a yes; undefined where there is no terminal. */
  ask(question: string): Promise<boolean | undefined>
  /** Everything from standard input, as UTF-8. */
  readInput(): Promise<string>
  /** Aborts at the first SIGINT or SIGTERM; from then on the process does not die of it, but of the second one. */
  stopSignal(): AbortSignal
}

/** The real process. */
export function processTerminal(): Terminal {
  const watched = process.stderr.isTTY === true
  let shown = false
  const clear = (): void => {
    if (shown) process.stderr.write('\r\x1b[K')
    shown = false
  }
  // A reader that went away, such as `head`, ends the command quietly; a full disk does not.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0)
    process.stderr.write(`broadcaster: what it prints could not be written: ${error.message}\n`)
    process.exit(1)
  })
  return {
    out(line) {
      clear()
      process.stdout.write(`${line}\n`)
    },
    note(line) {
      clear()
      process.stderr.write(`${line}\n`)
    },
    progress(text) {
      if (!watched) {
        process.stderr.write(`${text}\n`)
        return
      }
      process.stderr.write(`\r\x1b[K${text}`)
      shown = true
    },
    coloured: { out: showsColours(process.stdout.isTTY), note: showsColours(watched) },
    get width() {
      return widthOf(process.stdout)
    },
    get noteWidth() {
      return widthOf(process.stderr)
    },
    env: process.env,
    cwd: process.cwd(),
    fullScreen(paint = ({ text }) => text) {
      const { stdin, stdout, env } = process
      if (stdout.isTTY !== true || stdin.isTTY !== true || env['TERM'] === 'dumb') return undefined
      clear()
      return takeWindow(stdin, stdout, paint)
    },
    async ask(question) {
      if (!watched || process.stdin.isTTY !== true) return undefined
      clear()
      const reader = createInterface({ input: process.stdin, output: process.stderr })
      // Ctrl-D is no yes.
      const answer = await new Promise<string>((resolve) => {
        reader.once('close', () => resolve(''))
        reader.question(`${question} [y/N] `, resolve)
      })
      reader.close()
      return /^y(es)?$/i.test(answer.trim())
    },
    async readInput() {
      let text = ''
      process.stdin.setEncoding('utf8')
      for await (const piece of process.stdin) text += piece
      return text
    },
    stopSignal() {
      const controller = new AbortController()
      for (const [signal, number] of [['SIGINT', 2] as const, ['SIGTERM', 15] as const]) {
        process.on(signal, () => {
          // 128 + the number of the signal is what a shell shows for a process that died of it.
          if (controller.signal.aborted) process.exit(128 + number)
          controller.abort(signal)
        })
      }
      return controller.signal
    },
  }
}

/** A terminal whose window nobody has sized says 0 columns, as those of `script` and of CI do: then nothing is wrapped. */
export function widthOf({
  isTTY,
  columns,
}: {
  readonly isTTY?: boolean
  readonly columns?: number
}): number | undefined {
  return isTTY === true && columns !== undefined && columns > 0 ? columns : undefined
}

/** Colours are for people: none into files and pipes, nor where they are not wanted (https://no-color.org). */
function showsColours(isTerminal: boolean): boolean {
  const { NO_COLOR, TERM } = process.env
  return isTerminal && (NO_COLOR ?? '') === '' && TERM !== 'dumb'
}
