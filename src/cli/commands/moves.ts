import type { EventManager } from '../../admin/events.ts'
import { MOVABLE } from '../../admin/movable.ts'
import type { Target } from '../../admin/move-events.ts'
import { stringifyJson } from '../../event/json.ts'
import { type Command, defineCommand } from '../command.ts'
import { SELECTION_OPTIONS, selectionFilter } from '../event-selection.ts'
import { EXIT, UsageError } from '../exit-codes.ts'
import { countOf } from '../format.ts'

/** From so many events on, the work takes long enough to show how far it has come. */
const LONG = 500

type Move = 'requeue' | 'skip' | 'cancel' | 'replay'

const OPTIONS = {
  ...SELECTION_OPTIONS,
  all: { kind: 'flag', help: 'Every event whose status allows it; in place of ids or a filter.' },
  'dry-run': { kind: 'flag', help: 'Tells how many events would be changed, and changes nothing.' },
} as const

/** The four commands that change events take the same options and differ only in what they do. */
function moveCommand(
  name: Move,
  past: string,
  words: { readonly summary: string; readonly description: string },
): Command<typeof OPTIONS> {
  return defineCommand({
    name,
    ...words,
    positionals: '[id ...]',
    options: OPTIONS,
    examples: [`broadcaster ${name} 0198c2a0-7c1e-7000-8000-000000000000`, `broadcaster ${name} --type "order.*"`],
    async run({ options, positionals }, { terminal, ready }) {
      const filter = selectionFilter(options)
      const byFilter = Object.keys(filter).length > 0
      const given = [positionals.length > 0, byFilter, options.all].filter(Boolean).length
      if (given !== 1) {
        const what = 'ids, or a filter such as --type, or --all'
        throw new UsageError(`${name} takes ${what}${given > 1 ? ', one of them' : ''}; see broadcaster ${name} --help`)
      }
      const { broadcaster } = await ready()
      const target: Target = options.all ? { all: true } : byFilter ? filter : positionals
      if (options['dry-run']) {
        const matching = broadcaster.events.filter(options.all || byFilter ? filter : { id: positionals })
        const count = await matching.filter({ status: MOVABLE[name] }).count()
        const others = (await matching.count()) - count
        if (options.json) terminal.out(stringifyJson({ matches: count, unchanged: others }))
        else {
          const rest = others === 0 ? '' : ` ${countOf(others, 'other')} would stay: their status forbids it.`
          terminal.out(`${countOf(count, 'event')} would be ${past}.${rest}`)
        }
        return EXIT.ok
      }
      const manager: Pick<EventManager, Move> = broadcaster.events
      const { moved, tooLate, unknown } = await manager[name](target, {
        onProgress: (count) => {
          if (count >= LONG) terminal.progress(`${countOf(count, 'event')} ${past} ...`)
        },
      })
      const known = new Set([...moved, ...tooLate, ...unknown])
      const left = positionals.filter((id) => !known.has(id.toLowerCase()))
      if (options.json) terminal.out(stringifyJson({ [past]: moved, tooLate, unknown, unchanged: left }))
      else {
        terminal.out(`${countOf(moved.length, 'event')} ${past}.`)
        if (tooLate.length > 0) terminal.note(`Not ${past}, too late, already sent: ${tooLate.join(', ')}`)
        if (unknown.length > 0) {
          terminal.note(`Not ${past} yet: a worker has them in hand and is silent. Try again: ${unknown.join(', ')}`)
        }
        if (left.length > 0) {
          terminal.note(`Not ${past}, since there is no such event or its status forbids it: ${left.join(', ')}`)
        }
      }
      if (unknown.length > 0) return EXIT.store
      return left.length > 0 || tooLate.length > 0 ? EXIT.notFound : EXIT.ok
    },
  })
}

/** `broadcaster requeue`. */
export const requeue = moveCommand('requeue', 'requeued', {
  summary: 'Makes failed, cancelled and retrying events pending again.',
  description: 'They are due at once and have all their retries again; events that waited behind them follow.',
})

/** `broadcaster skip`. */
export const skip = moveCommand('skip', 'skipped', {
  summary: 'Lets the events behind failed ones go on.',
  description: 'The failed events stay failed, and no longer block their partition keys.',
})

/** `broadcaster cancel`. */
export const cancel = moveCommand('cancel', 'cancelled', {
  summary: 'Gives up on events that are not published yet.',
  description: 'They are never sent, unless requeued; events that waited behind them go on.',
})

/** `broadcaster replay`. */
export const replay = moveCommand('replay', 'replayed', {
  summary: 'Sends published events again.',
  description: 'They become pending with their old ids, so that consumers that handle each event once leave them out.',
})
