import { ENDS, LINES, mostLines, onOneLine, QUIET } from './lines.ts'
import { LOG_EVENTS, type LogEvent } from './log-events.ts'
import { logFields } from './log-fields.ts'
import { Repeats } from './repeats.ts'
import type { SignalSink } from './signal-log.ts'
import type { SignalName, Signals } from './signals.ts'
import type { LogLevel, StructuredLogger } from './structured-logger.ts'

interface Entry {
  readonly level: LogLevel
  readonly fields: Record<string, unknown>
  readonly text: string
}

/**
 * Writes signals as objects. Trouble that repeats is limited as in `SignalLog`: `heldBack` says for how many more a line stands. A
 * logger that throws does no harm.
 */
export class StructuredLog implements SignalSink {
  readonly #outbox: string
  readonly #logger: StructuredLogger
  readonly #repeats = new Repeats<Entry>(QUIET, (entry, unsaid) => this.#write(entry, unsaid))

  constructor(outbox: string, logger: StructuredLogger) {
    this.#outbox = outbox
    this.#logger = logger
  }

  writes(name: SignalName): boolean {
    const { when } = LOG_EVENTS[name] ?? { when: undefined }
    return LOG_EVENTS[name] !== undefined && (when === undefined || this.#logger.options[when])
  }

  tell<Name extends SignalName>(name: Name, message: Signals[Name]): void {
    if (this.writes(name)) {
      try {
        this.#tell(name, message)
      } catch {
        // A getter of an error threw: what is logged must not end what it tells of.
      }
    }
    if (ENDS.has(name)) this.flush()
  }

  flush(): void {
    this.#repeats.flush()
  }

  #tell<Name extends SignalName>(name: Name, message: Signals[Name]): void {
    const told: LogEvent<Name> | undefined = LOG_EVENTS[name]
    if (told === undefined) return
    const line = LINES[name]?.(message)
    const text = line?.text ?? told.text?.(message)
    if (text === undefined) return
    // Lanes that were given back are told by the same signal as those that were lost.
    const level = LINES[name] !== undefined && line === undefined ? 'info' : told.level
    const fields = logFields(name, message, { outbox: this.#outbox, keys: this.#logger.options.keys })
    const entry = { level, fields, text: onOneLine(text) }
    if (line === undefined) this.#write(entry, 0)
    else this.#repeats.tell(`${name} ${line.topic}`, entry, mostLines(name))
  }

  #write({ level, fields, text }: Entry, unsaid: number): void {
    try {
      this.#logger.target[level](unsaid > 0 ? { ...fields, heldBack: unsaid } : fields, text)
    } catch {
      // There is nobody left to tell.
    }
  }
}
