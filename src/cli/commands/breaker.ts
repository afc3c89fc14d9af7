import { stringifyJson } from '../../event/json.ts'
import { suggestion } from '../../suggestion.ts'
import { openBreakers, openFor } from '../breakers.ts'
import { defineCommand } from '../command.ts'
import { EXIT, UsageError } from '../exit-codes.ts'
import { countOf, formatTable } from '../format.ts'

/** `broadcaster breaker`. */
export const breaker = defineCommand({
  name: 'breaker',
  summary: 'Lists the breakers that are open, or closes one that stays open although its backend is well.',
  description:
    'A breaker closes by itself when a probe is delivered. `close` is for what a probe cannot know, such as a clock of\n' +
    'the database that was wrong for a while. Events are tried at once; if the place is down still, it opens again.\n' +
    'Without a destination those of all destinations of the backend are closed, too.',
  positionals: '<list | close backend [destination]>',
  options: {},
  examples: ['broadcaster breaker list', 'broadcaster breaker close partners https://partner.example'],
  async run({ options, positionals }, { terminal, ready }) {
    const [action, backend, destination, ...more] = positionals
    const wellFormed = action === 'list' ? backend === undefined : action === 'close' && backend !== undefined
    if (!wellFormed || more.length > 0) {
      throw new UsageError('breaker takes list, or close, a backend and a destination; see broadcaster breaker --help')
    }
    const { broadcaster, backends } = await ready()
    const { coordination } = broadcaster.store
    if (backend === undefined) {
      const { breakers } = await coordination.look(backends)
      const open = await openBreakers(broadcaster, backends, breakers)
      if (options.json) terminal.out(stringifyJson({ breakers: open }))
      else if (open.length === 0) terminal.out('No breaker is open.')
      else {
        const rows = open.map((one) => [one.backend, one.destination, openFor(one, ''), one.error])
        for (const line of formatTable(['BACKEND', 'DESTINATION', 'OPEN FOR', 'ERROR'], rows)) terminal.out(line)
      }
      return EXIT.ok
    }
    if (!backends.includes(backend)) {
      throw new UsageError(
        `there is no backend ${backend}${suggestion(backend, backends) || `; there are ${backends.join(', ')}`}`,
      )
    }
    const whole = destination === undefined && (await coordination.breakers.close(backend))
    const behind = await coordination.destinations.list(backend)
    const places = behind.filter((one) => destination === undefined || one.destination === destination)
    const results = await Promise.all(places.map((one) => coordination.destinations.close(backend, one.destination)))
    const closed = Number(whole) + results.filter(Boolean).length
    if (options.json) terminal.out(stringifyJson({ backend, closed }))
    else terminal.out(closed === 0 ? 'No such breaker is open.' : `${countOf(closed, 'breaker')} closed.`)
    return EXIT.ok
  },
})
