import { stringifyJson } from '../../event/json.ts'
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
    published: { kind: 'duration', help: 'Published events older than this: 7d; 0 = all.' },
    failed: {
      kind: 'duration',
      help: 'Failed and cancelled events older than this; keys that they block are released.',
    },
    inbox: { kind: 'duration', help: 'Inbox entries older than this: what comes again afterwards is handled again.' },
    audit: { kind: 'duration', help: 'Entries of the audit older than this.' },
  },
  examples: ['broadcaster purge --published 1d', 'broadcaster purge --published 7d --failed 30d --inbox 30d'],
  async run({ options }, { terminal, ready }) {
    const { published, failed, inbox, audit, json } = options
    if ([published, failed, inbox, audit].every((age) => age === undefined)) {
      throw new UsageError('purge takes --published, --failed, --inbox or --audit; see broadcaster purge --help')
    }
    const { broadcaster } = await ready()
    const signal = terminal.stopSignal()
    const ages = { published: published ?? null, failed: failed ?? null, inbox: inbox ?? null, audit: audit ?? null }
    const deleted = await broadcaster.admin.purge({ ...ages, signal, ...operator(options) })
    if (json) terminal.verbatim(stringifyJson({ deleted, ...(signal.aborted && { interrupted: true }) }))
    else terminal.out(`${deleted.toLocaleString('en')} rows deleted.`)
    return signal.aborted ? interruptedCode(signal) : EXIT.ok
  },
})
