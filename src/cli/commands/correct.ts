import type { EventCorrection } from '../../admin/corrections.ts'
import { isJsonType } from '../../event/content-type.ts'
import { stringifyJson } from '../../event/json.ts'
import { defineCommand } from '../command.ts'
import type { OptionValues } from '../command-options.ts'
import { eventId } from '../event-selection.ts'
import { extension, parse, readText } from '../event-text.ts'
import { EXIT, UsageError } from '../exit-codes.ts'
import { OPERATOR_OPTIONS, operator } from '../operator.ts'
import type { Screen } from '../screen.ts'

const CHANGED = {
  data: { kind: 'text', value: 'json', help: 'The data; @path reads a file, - standard input. Default: as it is.' },
  type: { kind: 'text', value: 'type', help: 'CloudEvents type.' },
  source: { kind: 'text', value: 'uri', help: 'CloudEvents source.' },
  subject: { kind: 'text', value: 'text', help: 'CloudEvents subject; empty takes it out.' },
  'content-type': { kind: 'text', value: 'type', help: 'Of the data.' },
  schema: { kind: 'text', value: 'uri', help: 'CloudEvents dataschema; empty takes it out.' },
  extension: {
    kind: 'list',
    value: 'name=text',
    help: 'A CloudEvents extension attribute, empty takes it out; may be given several times.',
  },
  'backend-config': { kind: 'text', value: 'json', help: 'Options of the event for its backend; @path reads a file.' },
  'max-retries': { kind: 'integer', min: 0, help: 'Retries after the first attempt.' },
} as const
const OPTIONS = { ...CHANGED, ...OPERATOR_OPTIONS }
const CHANGES = Object.keys(CHANGED) as readonly (keyof typeof CHANGED)[]

/** `broadcaster correct`. */
export const correct = defineCommand({
  name: 'correct',
  summary: 'Puts a corrected event in the place of one that was not delivered.',
  description:
    'What no option names stays as it is. The new event has a new id, and the extension correctionof with the id of the old one, which is cancelled. ' +
    'It is sent where the old one would have been, before what waits behind that. An event that was sent is not corrected.',
  positionals: '<id>',
  options: OPTIONS,
  examples: [
    `broadcaster correct 0198c2a0-7c1e-7000-8000-000000000000 --data '{"id":1,"price":"9.90"}'`,
    'broadcaster correct 0198c2a0-7c1e-7000-8000-000000000000 --extension tenant=acme --reason "wrong tenant"',
  ],
  async run({ options, positionals }, { terminal, ready }) {
    const [given, ...more] = positionals
    if (given === undefined || more.length > 0) {
      throw new UsageError('correct takes the id of one event; see broadcaster correct --help')
    }
    const id = eventId(given)
    if (!CHANGES.some((name) => isGiven(options[name]))) {
      throw new UsageError('correct needs what differs, such as --data; to send an event as it is, requeue it')
    }
    const { broadcaster } = await ready()
    const { dataContentType } = await broadcaster.admin.get(id)
    const changes = await readChanges(options, dataContentType, terminal)
    const signal = terminal.stopSignal()
    const event = await broadcaster.admin.correct(id, changes, { signal, ...operator(options) })
    const { eventType, publisherBackend: backend } = event
    if (options.json) terminal.verbatim(stringifyJson({ id: event.id, corrects: id, eventType, backend }))
    else terminal.out(`${event.id}  stands in the place of ${id}, which is cancelled`)
    return EXIT.ok
  },
})

function isGiven(value: unknown): boolean {
  return Array.isArray(value) ? value.length > 0 : value !== undefined
}

/** `storedType`: the content type of the event as it is. */
async function readChanges(
  options: OptionValues<typeof OPTIONS>,
  storedType: string,
  terminal: Screen,
): Promise<EventCorrection> {
  const { type, source, subject, schema, data, 'content-type': contentType, 'backend-config': config } = options
  const text = data === undefined ? undefined : await readText(data, terminal)
  const extensions = options.extension.map(extension).map(([name, value]) => [name, value === '' ? null : value])
  return {
    ...(type !== undefined && { type }),
    ...(source !== undefined && { source }),
    ...(subject !== undefined && { subject: subject === '' ? null : subject }),
    ...(schema !== undefined && { dataSchema: schema === '' ? null : schema }),
    ...(contentType !== undefined && { dataContentType: contentType }),
    ...(text !== undefined && { data: isJsonType(contentType ?? storedType) ? parse(text, '--data') : text }),
    ...(extensions.length > 0 && { extensions: Object.fromEntries(extensions) as Record<string, string | null> }),
    ...(config !== undefined && {
      backendConfig: parse(await readText(config, terminal), '--backend-config') as Record<string, unknown>,
    }),
    ...(options['max-retries'] !== undefined && { maxRetries: options['max-retries'] }),
  }
}
