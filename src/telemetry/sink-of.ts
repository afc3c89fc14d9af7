import type { Logger } from './logger.ts'
import { SignalLog, type SignalSink } from './signal-log.ts'
import { StructuredLog } from './structured-log.ts'
import { StructuredLogger } from './structured-logger.ts'

/** Where the signals of an outbox or a consumer are written down; undefined = nowhere. */
export function sinkOf(outbox: string, logger: Logger | StructuredLogger | undefined): SignalSink | undefined {
  if (logger instanceof StructuredLogger) return new StructuredLog(outbox, logger)
  return logger && new SignalLog(logger)
}
