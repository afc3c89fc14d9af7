import { ENDS, LINES, type LogLine, mostLines, onOneLine, QUIET } from './lines.ts'
import type { Logger } from './logger.ts'
import { moreLikeIt, Repeats } from './repeats.ts'
import type { SignalName, Signals } from './signals.ts'

/** Where signals are written down. */
export interface SignalSink {
  /** Whether there is a line for it at all. */
  writes(name: SignalName): boolean
  tell<Name extends SignalName>(name: Name, message: Signals[Name]): void
  /** Writes what was held back. */
  flush(): void
}

/**
 * Writes a line for each signal that reports trouble, or the end of it. While a topic has just had a line, more of it
 * are counted; after ten seconds, or when the worker or consumer stops, a line says how many. A logger that throws does
 * no harm.
 */
export class SignalLog implements SignalSink {
  readonly #logger: Logger
  readonly #repeats = new Repeats<LogLine>(QUIET, (line, unsaid) => this.#write(line, unsaid))

  constructor(logger: Logger) {
    this.#logger = logger
  }

  /** Whether there is a line for it at all. */
  writes(name: SignalName): boolean {
    return LINES[name] !== undefined
  }

  tell<Name extends SignalName>(name: Name, message: Signals[Name]): void {
    const line = LINES[name]?.(message)
    if (line !== undefined) this.#repeats.tell(`${name} ${line.topic}`, line, mostLines(name))
    if (ENDS.has(name)) this.flush()
  }

  flush(): void {
    this.#repeats.flush()
  }

  #write({ level, text }: LogLine, unsaid: number): void {
    try {
      this.#logger[level](`broadcaster: ${onOneLine(text)}${moreLikeIt(unsaid)}`)
    } catch {
      // There is nobody left to tell.
    }
  }
}
