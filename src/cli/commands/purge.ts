import { stringifyJson } from '../../event/json.ts'
import { compileTypePattern } from '../../event/type-pattern.ts'
import { describeError } from '../../foundation/describe-error.ts'
import { defineCommand } from '../command.ts'
import { EXIT, interruptedCode, UsageError } from '../exit-codes.ts'
import { OPERATOR_OPTIONS, operator } from '../operator.ts'

/** `broadcaster purge`. */
export const purge = defineCommand({
  name: 'purge',
  summary: 'Deletes what is old now, as workers do in time.',
  description:
    'Only what is named, and older than the time given. Events that are not delivered, and wait or may be tried again, are never deleted.',
  options: {
    ...OPERATOR_OPTIONS,
    published: { kind: 'duration', unit: 'required', help: 'Published events older than this: 7d; 0 = all.' },
    failed: {
      kind: 'duration',
      unit: 'required',
      help: 'Failed events older than this, and cancelled ones unless --cancelled says otherwise; keys that they block are released.',
    },
    cancelled: { kind: 'duration', unit: 'required', help: 'Cancelled events older than this.' },
    keep: { kind: 'integer', min: 0, help: 'Of more published events than these the oldest, whatever their age.' },
    archive: {
      kind: 'text',
      value: 'folder',
      help: 'Keeps events there before they are deleted. Default: as the workers do.',
    },
    'no-archive': { kind: 'flag', help: 'Deletes events without keeping them anywhere.' },
    type: { kind: 'text', value: 'type', help: "Only events of this type, or of a pattern: 'audit.*'." },
    inbox: {
      kind: 'duration',
      unit: 'required',
      help: 'Inbox entries older than this: what comes again afterwards is handled again.',
    },
    audit: { kind: 'duration', unit: 'required', help: 'Entries of the audit older than this.' },
  },
  examples: [
    'broadcaster purge --published 1d',
    'broadcaster purge --published 7d --failed 30d --inbox 30d',
    "broadcaster purge --type 'tick.*' --keep 1000",
  ],
  async run({ options }, { terminal, ready }) {
    const { published = null, failed = null, cancelled, keep, type, inbox = null, audit = null, json } = options
    if ([published, failed, cancelled ?? null, keep ?? null, inbox, audit].every((limit) => limit === null)) {
      const takes = '--published, --failed, --cancelled, --keep, --inbox or --audit'
      throw new UsageError(`purge takes ${takes}; see broadcaster purge --help`)
    }
    if (options['no-archive'] && options.archive !== undefined)
      throw new UsageError('--archive and --no-archive: give one')
    if (type !== undefined && (inbox ?? audit) !== null) {
      throw new UsageError('--type is for events; purge the inbox and the audit without it')
    }
    if (type !== undefined) checkType(type)
    const { broadcaster } = await ready()
    const signal = terminal.stopSignal()
    const archive = options['no-archive'] ? (false as const) : options.archive
    const events = { archive, published, failed, cancelled, keep: { published: keep ?? null }, type }
    const deleted = await broadcaster.admin.purge({ ...events, inbox, audit, signal, ...operator(options) })
    if (json) terminal.verbatim(stringifyJson({ deleted, ...(signal.aborted && { interrupted: true }) }))
    else terminal.out(`${deleted.toLocaleString('en')} rows deleted.`)
    return signal.aborted ? interruptedCode(signal) : EXIT.ok
  },
})

function checkType(type: string): void {
  try {
    compileTypePattern(type)
  } catch (cause) {
    throw new UsageError(`--type: ${describeError(cause)}`)
  }
}
