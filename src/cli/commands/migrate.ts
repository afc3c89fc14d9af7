import { stringifyJson } from '../../event/json.ts'
import type { MigrationStatus } from '../../store/store.ts'
import { defineCommand } from '../command.ts'
import { EXIT } from '../exit-codes.ts'
import { countOf } from '../format.ts'

/** `broadcaster migrate`. */
export const migrate = defineCommand({
  name: 'migrate',
  summary: 'Makes the tables of the outbox, or brings them up to date.',
  description: 'A table that Django Broadcaster made is taken over in place, while its application goes on inserting.',
  options: {
    print: { kind: 'flag', help: 'Prints the SQL instead of running it; needs no database.' },
    from: { kind: 'integer', min: 0, help: 'With --print: only the steps after this version. Default: 0.' },
    'dry-run': { kind: 'flag', help: 'Tells what would be done.' },
    'take-over': {
      kind: 'flag',
      help: 'With --print: the SQL that takes over a table made by Django Broadcaster.',
    },
    lanes: {
      kind: 'integer',
      min: 1,
      max: 1_024,
      help: 'The number of lanes; counts only when the tables are made. Default: 64.',
    },
  },
  examples: ['broadcaster migrate', 'broadcaster migrate --print > outbox.sql'],
  async run({ options }, { terminal, configured }) {
    const { broadcaster } = await configured()
    const { schema } = broadcaster.store
    const lanes = options.lanes === undefined ? {} : { lanes: options.lanes }
    if (options.print) {
      const from = options.from === undefined ? {} : { from: options.from }
      terminal.out(schema.print({ ...lanes, ...from, takeOver: options['take-over'] }).trimEnd())
      return EXIT.ok
    }
    const before = await schema.status()
    const after = options['dry-run']
      ? before
      : await schema.migrate({ ...lanes, onProgress: (message) => terminal.progress(message) })
    const steps = before.pending.map(({ version, name, breaking }) => ({ version, name, breaking }))
    if (options.json) {
      const { version, latest, lanes: count } = after
      const takesOver = before.foreign === true
      terminal.out(
        stringifyJson({
          version,
          latest,
          lanes: count,
          from: before.version,
          takesOver,
          steps,
          dryRun: options['dry-run'],
        }),
      )
      return EXIT.ok
    }
    if (before.foreign) {
      terminal.out(`${options['dry-run'] ? 'to do' : 'done '}  the table that Django made is taken over`)
    }
    for (const { version, name, breaking } of steps) {
      // On an empty database there is nobody yet for whom something could break.
      const warning = breaking && before.version > 0 ? ' (breaking: older versions of this package stop working)' : ''
      terminal.out(`${options['dry-run'] ? 'to do' : 'done '}  ${version} ${name}${warning}`)
    }
    terminal.out(summary(broadcaster.store.description, after, options['dry-run'] ? steps.length : 0))
    const extra = before.foreign && !options['dry-run'] ? ((await schema.inspect?.())?.extraIndexes ?? []) : []
    for (const { name, drop } of extra) {
      terminal.out(`The index ${name} is Django's: workers do not need it, and every event pays for it. ${drop};`)
    }
    return EXIT.ok
  },
})

function summary(place: string, { version, latest, lanes }: MigrationStatus, left: number): string {
  if (left > 0) return `${place} is at version ${version} of ${latest}; ${countOf(left, 'step')} to do.`
  return `${place} is at version ${version}, the latest${lanes === null ? '' : `, with ${countOf(lanes, 'lane')}`}.`
}
