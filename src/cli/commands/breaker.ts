import { stringifyJson } from '../../event/json.ts'
import { suggestion } from '../../suggestion.ts'
import { defineCommand } from '../command.ts'
import { EXIT, UsageError } from '../exit-codes.ts'
import { formatDuration, formatTable } from '../format.ts'

/** `broadcaster breaker`. */
export const breaker = defineCommand({
  name: 'breaker',
  summary: 'Lists the breakers of the backends, or closes one that stays open although its backend is well.',
  description:
    'A breaker closes by itself when a probe is delivered. `close` is for what a probe cannot know: a clock of the\n' +
    'database that was wrong for a while. Its events are tried at once; if the backend is down still, it opens again.',
  positionals: '<list | close backend>',
  options: {},
  examples: ['broadcaster breaker list', 'broadcaster breaker close partners'],
  async run({ options, positionals }, { terminal, ready }) {
    const [action, backend, ...more] = positionals
    const wellFormed = action === 'list' ? backend === undefined : action === 'close' && backend !== undefined
    if (!wellFormed || more.length > 0) {
      throw new UsageError('breaker takes list, or close and a backend; see broadcaster breaker --help')
    }
    const { broadcaster, backends } = await ready()
    const { coordination } = broadcaster.store
    const { breakers } = await coordination.survey(backends)
    const open = breakers.filter((one) => one.open)
    if (backend === undefined) {
      if (options.json) terminal.out(stringifyJson({ breakers }))
      else if (open.length === 0) terminal.out('No breaker is open.')
      else {
        const rows = open.map(({ backend: name, since, error }) => [
          name,
          since === null ? '' : formatDuration(since),
          error,
        ])
        for (const line of formatTable(['BACKEND', 'OPEN FOR', 'ERROR'], rows)) terminal.out(line)
      }
      return EXIT.ok
    }
    if (!backends.includes(backend)) {
      throw new UsageError(
        `there is no backend ${backend}${suggestion(backend, backends) || `; there are ${backends.join(', ')}`}`,
      )
    }
    const closed = await coordination.breakers.close(backend)
    if (options.json) terminal.out(stringifyJson({ backend, closed }))
    else terminal.out(closed ? `The breaker of ${backend} is closed.` : `The breaker of ${backend} was not open.`)
    return EXIT.ok
  },
})
