import { BroadcasterError } from '../../errors.ts'
import { stringifyJson } from '../../event/json.ts'
import { defineCommand } from '../command.ts'
import { EXIT, UsageError } from '../exit-codes.ts'
import { printLines } from '../screen.ts'

/** `broadcaster capture`. */
export const capture = defineCommand({
  name: 'capture',
  summary: 'Prints the SQL of triggers that turn changes of a table into events.',
  description: 'Runs nothing: look at the SQL, and put it into a migration of yours (docs/sql.md).',
  positionals: '<table>',
  options: {
    type: { kind: 'text', help: 'What types begin with: order.created, .updated, .deleted. Default: the table.' },
    source: { kind: 'text', help: 'The source of the events. Default: / and the table.' },
    key: { kind: 'text', value: 'column', help: 'Subject and partition key; empty = none. Default: id.' },
    backend: { kind: 'text', value: 'name', help: 'The backend. Default: the default one.' },
    omit: { kind: 'list', value: 'columns', help: 'Columns that no event shows, such as a password.' },
  },
  examples: ['broadcaster capture orders --type order --omit secret | psql'],
  async run({ options, positionals }, { terminal, ready }) {
    const [table, surplus] = positionals
    if (table === undefined || surplus !== undefined) throw new UsageError('give one table: broadcaster capture orders')
    const { broadcaster, backends } = await ready()
    const { type, source, key, backend, omit } = options
    if (backend !== undefined && !backends.includes(backend)) {
      throw new UsageError(`there is no backend ${backend}; there are ${backends.join(', ')}`)
    }
    const { schema, description } = broadcaster.store
    if (!schema.capture) throw new BroadcasterError('INVALID_OPTION', `${description} has no triggers`)
    const sql = await schema.capture({ table, omit, type, source, key, backend })
    if (options.json) terminal.verbatim(stringifyJson({ table, sql }))
    else printLines(terminal.verbatim, sql.trimEnd())
    return EXIT.ok
  },
})
