import { isJsonType } from '../../event/content-type.ts'
import { stringifyJson } from '../../event/json.ts'
import type { CloudEventInput, EventInput, PublishOptions } from '../../publish/event-input.ts'
import type { Input } from '../arguments.ts'
import { defineCommand } from '../command.ts'
import { extension, parse, readText } from '../event-text.ts'
import { EXIT, UsageError } from '../exit-codes.ts'
import type { Screen } from '../screen.ts'

const OPTIONS = {
  source: { kind: 'text', value: 'uri', help: 'CloudEvents source, such as /orders. Needed unless --event is given.' },
  data: { kind: 'text', value: 'json', help: 'The data; @path reads a file, - standard input.' },
  event: { kind: 'text', value: 'path', help: 'A whole CloudEvent as JSON, from a file, or - for standard input.' },
  subject: { kind: 'text', value: 'text', help: 'CloudEvents subject.' },
  id: { kind: 'text', value: 'text', help: 'Your own id: publishing it twice stores it once.' },
  key: { kind: 'text', value: 'key', help: 'Partition key: events with the same one are delivered in order.' },
  'content-type': { kind: 'text', value: 'type', help: 'Of the data. Default: application/json.' },
  schema: { kind: 'text', value: 'uri', help: 'CloudEvents dataschema.' },
  extension: {
    kind: 'list',
    value: 'name=text',
    help: 'A CloudEvents extension attribute; may be given several times.',
  },
  backend: { kind: 'list', value: 'name', help: 'Where to. Default: by the routes.' },
  delay: { kind: 'duration', help: 'Delivered no sooner than after this time: 10m.' },
  at: { kind: 'instant', value: 'when', help: 'Delivered no sooner than at this time: 2026-01-31T12:00:00Z.' },
  'max-retries': {
    kind: 'integer',
    min: 0,
    help: 'Retries after the first attempt. Default: that of the configuration, or 12.',
  },
} as const

/** `broadcaster publish`. */
export const publish = defineCommand({
  name: 'publish',
  summary: 'Publishes one event, in a transaction of its own.',
  positionals: '[type]',
  options: OPTIONS,
  examples: [
    `broadcaster publish order.created --source /orders --data '{"id":1}' --key 1`,
    'broadcaster publish --event cloud-event.json',
  ],
  async run(input, { terminal, ready }) {
    const event = await readEvent(input, terminal)
    const { broadcaster } = await ready()
    // In a transaction of the store's own: `publish` would need one of the application's library.
    const stored = await broadcaster.events.create(event, publishOptions(input))
    if (input.options.json) {
      const { id, eventId, eventType, status, publisherBackend: backend, scheduledAt, duplicate } = stored
      terminal.verbatim(stringifyJson({ id, eventId, eventType, status, backend, scheduledAt, duplicate }))
    } else {
      terminal.out(stored.duplicate ? `${stored.id}  was published before; nothing was added` : stored.id)
    }
    return EXIT.ok
  },
})

async function readEvent(
  { options, positionals }: Input<typeof OPTIONS>,
  terminal: Screen,
): Promise<EventInput | CloudEventInput> {
  const [type, ...more] = positionals
  if (options.event !== undefined) {
    if (type !== undefined) throw new UsageError('publish takes a type or --event, not both')
    return parse(
      await readText(options.event === '-' ? '-' : `@${options.event}`, terminal),
      '--event',
    ) as CloudEventInput
  }
  if (type === undefined || more.length > 0)
    throw new UsageError('publish takes one type; see broadcaster publish --help')
  if (options.source === undefined) throw new UsageError('--source is missing; give a URI such as /orders')
  const contentType = options['content-type']
  const text = options.data === undefined ? undefined : await readText(options.data, terminal)
  const data = text === undefined || !isJsonType(contentType) ? text : parse(text, '--data')
  return {
    type,
    source: options.source,
    subject: options.subject,
    id: options.id,
    partitionKey: options.key,
    dataContentType: contentType,
    dataSchema: options.schema,
    extensions: options.extension.length === 0 ? undefined : Object.fromEntries(options.extension.map(extension)),
    ...(data !== undefined && { data }),
  }
}

function publishOptions({ options }: Input<typeof OPTIONS>): PublishOptions {
  return {
    backend: options.backend.length === 0 ? undefined : options.backend,
    delay: options.delay,
    scheduledAt: options.at,
    maxRetries: options['max-retries'],
  }
}
