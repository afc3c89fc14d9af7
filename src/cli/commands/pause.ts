import { stringifyJson } from '../../event/json.ts'
import { type Command, defineCommand } from '../command.ts'
import { EXIT, UsageError } from '../exit-codes.ts'
import { OPERATOR_OPTIONS, operator } from '../operator.ts'

function pauseCommand(
  name: 'pause' | 'resume',
  words: Pick<Command, 'summary' | 'description'> & { readonly done: string; readonly not: string },
): Command<typeof OPERATOR_OPTIONS> {
  const { done, not, ...help } = words
  return defineCommand({
    name,
    ...help,
    positionals: '<backend>',
    options: OPERATOR_OPTIONS,
    examples: [`broadcaster ${name} partners --reason "their maintenance window"`],
    async run({ options, positionals }, { terminal, ready }) {
      const [backend, ...more] = positionals
      if (backend === undefined || more.length > 0) {
        throw new UsageError(`${name} takes the name of a backend; see broadcaster ${name} --help`)
      }
      const { broadcaster } = await ready()
      const changed = await broadcaster.admin[name](backend, operator(options))
      if (options.json) terminal.verbatim(stringifyJson({ backend, [done]: changed }))
      else terminal.out(changed ? `${backend} is ${done}.` : `${backend} ${not}; nothing was changed.`)
      return EXIT.ok
    },
  })
}

/** `broadcaster pause`. */
export const pause = pauseCommand('pause', {
  summary: 'Sends nothing to a backend until it is resumed; its events wait.',
  description: 'For all workers, each of which notices within a second. No attempt is counted against any event.',
  done: 'paused',
  not: 'was paused already',
})

/** `broadcaster resume`. */
export const resume = pauseCommand('resume', {
  summary: 'Ends the pause of a backend.',
  description: 'Its events go out in the order of their keys.',
  done: 'resumed',
  not: 'is not paused',
})
