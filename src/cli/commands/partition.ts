import { BroadcasterError } from '../../errors.ts'
import { countOf } from '../../foundation/for-people.ts'
import { defineCommand } from '../command.ts'
import { eachOutbox } from '../each-outbox.ts'
import { EXIT } from '../exit-codes.ts'

/** `broadcaster partition`. */
export const partition = defineCommand({
  name: 'partition',
  summary:
    'Gives the events table partitions by time, so that old events are dropped with them (PostgreSQL 14 or later).',
  description:
    'For a table that is new or small. Where it has partitions, those of the times to come are made. There is no way back but a new outbox.',
  options: {
    hourly: { kind: 'flag', help: 'One partition an hour, and not a day; counts only when the first are made.' },
    ahead: { kind: 'integer', min: 1, max: 100, help: 'How many are made beyond the one of now. Default: 7.' },
    'dry-run': { kind: 'flag', help: 'Prints the SQL, and changes nothing.' },
  },
  examples: ['broadcaster partition --dry-run', 'broadcaster partition'],
  async run({ options }, { terminal, outboxes }) {
    const { hourly, ahead, 'dry-run': dryRun } = options
    return eachOutbox(await outboxes(), { terminal, json: options.json }, async ({ broadcaster: { store } }) => {
      if (store.schema.partition === undefined)
        throw new BroadcasterError('PARTITION_REFUSED', `${store.description} has no partitions; only PostgreSQL does`)
      const report = await store.schema.partition({ interval: hourly ? 'hour' : 'day', ahead, dryRun })
      const lines = dryRun
        ? [report.sql === '' ? `${store.description} has partitions.` : `BEGIN;${report.sql}COMMIT;`]
        : [
            report.converted
              ? `${store.description} has partitions now; what was there is in the default one.`
              : `${store.description} has partitions; ${countOf(report.made, 'partition')} made.`,
          ]
      return { json: { ...report, dryRun }, lines, code: EXIT.ok }
    })
  },
})
