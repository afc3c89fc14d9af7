import { countOf } from '../../foundation/for-people.ts'
import type { MigrationStatus } from '../../store/store.ts'
import { defineCommand } from '../command.ts'
import { eachOutbox } from '../each-outbox.ts'
import { EXIT } from '../exit-codes.ts'
import { printLines } from '../screen.ts'

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
  async run({ options }, { terminal, outboxes }) {
    const { lanes, from, 'dry-run': dryRun, 'take-over': takeOver } = options
    const all = await outboxes()
    if (options.print) {
      for (const { name, broadcaster } of all) {
        if (all.length > 1) terminal.out(`-- ${name}`)
        const sql = broadcaster.store.schema.print({ lanes, from, takeOver })
        printLines(terminal.verbatim, sql.trimEnd())
      }
      return EXIT.ok
    }
    return eachOutbox(all, { terminal, json: options.json }, async ({ broadcaster: { store } }) => {
      const before = await store.schema.status()
      const onProgress = (message: string): void => terminal.progress(message)
      const after = dryRun ? before : await store.schema.migrate({ lanes, onProgress })
      const steps = before.pending.map(({ version, name, breaking }) => ({ version, name, breaking }))
      const { version, latest } = after
      const done = steps.map(({ version, name, breaking }) => {
        // On an empty database there is nothing yet that could break.
        const warning = breaking && before.version > 0 ? ' (breaking: older versions of this package stop working)' : ''
        return `${dryRun ? 'to do' : 'done '}  ${version} ${name}${warning}`
      })
      const mended = after.mended ?? []
      done.unshift(...mended.map((what) => `repaired  ${what}, which had been dropped`))
      const takesOver = before.foreign === true
      if (takesOver) done.unshift(`${dryRun ? 'to do' : 'done '}  the table that Django made is taken over`)
      const extra = takesOver && !dryRun ? ((await store.schema.inspect?.())?.extraIndexes ?? []) : []
      const advice = extra.map(
        ({ name, drop }) =>
          `The index ${name} is Django's: workers do not need it, and every event pays for it. ${drop};`,
      )
      return {
        json: { version, latest, lanes: after.lanes, from: before.version, takesOver, mended, steps, dryRun },
        lines: [...done, summary(store.description, after, dryRun ? steps.length : 0), ...advice],
        code: EXIT.ok,
      }
    })
  },
})

function summary(place: string, { version, latest, lanes }: MigrationStatus, left: number): string {
  if (left > 0) return `${place} is at version ${version} of ${latest}; ${countOf(left, 'step')} to do.`
  return `${place} is at version ${version}, the latest${lanes === null ? '' : `, with ${countOf(lanes, 'lane')}`}.`
}
