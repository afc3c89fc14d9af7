import { stringifyJson } from '../../event/json.ts'
import { FAR_FUTURE } from '../../record/columns.ts'
import type { OutboxEvent } from '../../record/outbox-event.ts'
import { defineCommand } from '../command.ts'
import { eventId } from '../event-selection.ts'
import { EXIT, UsageError } from '../exit-codes.ts'
import { formatInstant, onOneLine, prettyJson } from '../format.ts'
import { waitsOf } from '../waits.ts'

/** `broadcaster show`. */
export const show = defineCommand({
  name: 'show',
  summary: 'Shows one event with its data and its attempts.',
  positionals: '<id>',
  options: {
    'cloud-event': { kind: 'flag', help: 'Prints the CloudEvent as JSON, as a consumer gets it.' },
  },
  async run({ options, positionals }, { terminal, ready }) {
    const [id, ...more] = positionals
    if (id === undefined || more.length > 0) throw new UsageError('show takes one id; see broadcaster show --help')
    const wanted = eventId(id)
    const outbox = await ready()
    const event = await outbox.broadcaster.admin.get(wanted)
    if (options['cloud-event']) terminal.verbatim(stringifyJson(event.toCloudEvent()))
    else if (options.json) terminal.verbatim(stringifyJson(event))
    else {
      const waits = await waitsOf(outbox, [event])
      for (const line of lines(event, waits.get(event.id) ?? '')) terminal.out(line)
    }
    return EXIT.ok
  },
})

function lines(event: OutboxEvent, waitsFor: string): readonly string[] {
  const fields: readonly (readonly [string, string])[] = [
    ['id', event.id],
    ['event id', event.eventId === event.id ? '' : event.eventId],
    ['status', status(event)],
    ['waits for', waitsFor],
    ['type', event.eventType],
    ['source', event.source],
    ['subject', event.subject],
    ['partition key', event.partitionKey ?? ''],
    ['backend', event.publisherBackend],
    ['backend config', Object.keys(event.publisherConfig).length === 0 ? '' : stringifyJson(event.publisherConfig)],
    ['extensions', Object.keys(event.extensions).length === 0 ? '' : stringifyJson(event.extensions)],
    ['content type', event.dataContentType],
    ['data schema', event.dataSchema],
    ['lane', String(event.lane ?? '')],
    ['seq', String(event.seq ?? '')],
    ['failed attempts', `${event.retryCount} of ${event.maxRetries}`],
    ['created', formatInstant(event.createdAt)],
    ['due', formatInstant(event.scheduledAt)],
    ['next attempt', nextAttempt(event)],
    ['published', formatInstant(event.publishedAt)],
    ['last error', event.lastError],
  ]
  const attempts = event.attempts.map(({ at, worker, error }) => `  ${at}  ${worker}  ${onOneLine(error)}`)
  return [
    ...fields.filter(([, value]) => value !== '').map(([name, value]) => `${name.padEnd(15)} ${value}`),
    ...(attempts.length > 0 ? ['attempts:', ...attempts] : []),
    ...(event.progress === null ? [] : ['progress:', ...indented(event.progress)]),
    ...data(event),
  ]
}

function status(event: OutboxEvent): string {
  const blocks = event.status === 'failed' && event.availableAt !== null && event.partitionKey !== null
  return blocks ? `failed: later events of its key wait (requeue, skip or cancel it)` : event.status
}

function data(event: OutboxEvent): readonly string[] {
  if (event.dataBinary) return [`data:           ${event.dataBinary.length} bytes, binary`]
  return event.dataJson === null ? [] : ['data:', ...indented(event.data)]
}

/** JSON escapes line breaks inside texts: those that are left are the indentation's. */
function indented(value: unknown): readonly string[] {
  return prettyJson(value)
    .split('\n')
    .map((line) => `  ${line}`)
}

/** Where it differs from the due time: between retries. */
function nextAttempt({ status, availableAt }: OutboxEvent): string {
  const waits = status === 'retry' && availableAt !== null && availableAt.getTime() !== FAR_FUTURE.getTime()
  return waits ? formatInstant(availableAt) : ''
}
