import { stringifyJson } from '../../event/json.ts'
import type { OutboxEvent } from '../../record/outbox-event.ts'
import { defineCommand } from '../command.ts'
import { EXIT, UsageError } from '../exit-codes.ts'
import { formatInstant, prettyJson } from '../format.ts'

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
    const { broadcaster } = await ready()
    const event = await broadcaster.events.get({ id })
    if (options['cloud-event']) terminal.out(stringifyJson(event.toCloudEvent()))
    else if (options.json) terminal.out(stringifyJson(event))
    else for (const line of lines(event)) terminal.out(line)
    return EXIT.ok
  },
})

function lines(event: OutboxEvent): readonly string[] {
  const fields: readonly (readonly [string, string])[] = [
    ['id', event.id],
    ['event id', event.eventId === event.id ? '' : event.eventId],
    ['status', status(event)],
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
    ['retries', `${event.retryCount} of ${event.maxRetries}`],
    ['created', formatInstant(event.createdAt)],
    ['due', formatInstant(event.scheduledAt)],
    ['published', formatInstant(event.publishedAt)],
    ['last error', event.lastError],
  ]
  const attempts = event.attempts.map(({ at, worker, error }) => `  ${at}  ${worker}  ${error}`)
  return [
    ...fields.filter(([, value]) => value !== '').map(([name, value]) => `${name.padEnd(15)} ${value}`),
    ...(attempts.length > 0 ? ['attempts:', ...attempts] : []),
    ...(event.progress === null ? [] : ['progress:', indent(prettyJson(event.progress))]),
    ...data(event),
  ]
}

function status(event: OutboxEvent): string {
  const blocks = event.status === 'failed' && event.availableAt !== null && event.partitionKey !== null
  return blocks ? `failed: later events of its key wait (requeue, skip or cancel it)` : event.status
}

function data(event: OutboxEvent): readonly string[] {
  if (event.dataBinary) return [`data:           ${event.dataBinary.length} bytes, binary`]
  return event.dataJson === null ? [] : ['data:', indent(prettyJson(event.data))]
}

function indent(text: string): string {
  return text.replace(/^/gm, '  ')
}
