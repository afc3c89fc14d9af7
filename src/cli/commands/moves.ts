import type { MoveTarget } from '../../admin/move-events.ts'
import type { MoveResult } from '../../admin/move-in-peace.ts'
import type { MovePreview } from '../../admin/moves.ts'
import { stringifyJson } from '../../event/json.ts'
import { countOf } from '../../foundation/for-people.ts'
import { type Command, defineCommand } from '../command.ts'
import { eventId, SELECTION_OPTIONS, selectionFilter, unknownBackend } from '../event-selection.ts'
import { EXIT, interruptedCode, UsageError } from '../exit-codes.ts'
import { OPERATOR_OPTIONS, operator } from '../operator.ts'
import type { Screen } from '../screen.ts'

/** From this many events on, the work takes long enough to show how far it has come. */
const LONG = 500

type Move = 'requeue' | 'skip' | 'cancel' | 'replay' | 'reschedule'

const OPTIONS = {
  ...SELECTION_OPTIONS,
  ...OPERATOR_OPTIONS,
  all: { kind: 'flag', help: 'Every event whose status allows it; in place of ids or a filter.' },
  'in-background': {
    kind: 'flag',
    help: 'With a filter or --all: begins an operation that workers carry on, and ends at once.',
  },
  rate: { kind: 'integer', min: 1, value: 'n', help: 'With --in-background: at most this many events a second.' },
  'dry-run': { kind: 'flag', help: 'Tells how many events would be changed, and changes nothing.' },
} as const

const REPLAY_OPTIONS = {
  ...OPTIONS,
  to: { kind: 'text', value: 'name', help: 'The backend that gets them. Default: the one that each event was for.' },
} as const

const RESCHEDULE_OPTIONS = {
  ...OPTIONS,
  at: { kind: 'instant', help: 'The new due time.' },
  delay: { kind: 'duration', help: 'The same from now on: 10m; 0 = now.' },
} as const

type AllOptions = typeof REPLAY_OPTIONS & typeof RESCHEDULE_OPTIONS

/** Of a command that lacks one it is unknown, and refused like any. */
const OPTIONS_OF: { readonly [Name in Move]?: object } = { replay: REPLAY_OPTIONS, reschedule: RESCHEDULE_OPTIONS }

/** The commands that change events take the same options and differ only in what they do. */
function moveCommand(
  name: Move,
  past: string,
  words: { readonly summary: string; readonly description: string },
): Command<AllOptions> {
  return defineCommand({
    name,
    ...words,
    positionals: '[id ...]',
    options: (OPTIONS_OF[name] ?? OPTIONS) as AllOptions,
    examples: [`broadcaster ${name} 0198c2a0-7c1e-7000-8000-000000000000`, `broadcaster ${name} --type "order.*"`].map(
      (line) => (name === 'reschedule' ? `${line} --delay 0` : line),
    ),
    async run({ options, positionals }, { terminal, ready }) {
      const filter = selectionFilter(options)
      const byFilter = Object.keys(filter).length > 0
      const given = [positionals.length > 0, byFilter, options.all].filter(Boolean).length
      if (given !== 1) {
        const what = 'ids, or a filter such as --type, or --all'
        throw new UsageError(`${name} takes ${what}${given > 1 ? ', one of them' : ''}; see broadcaster ${name} --help`)
      }
      const ids = [...new Set(positionals.map(eventId))]
      const at = name === 'reschedule' ? newTime(options) : undefined
      const { broadcaster, backends } = await ready()
      const target: MoveTarget = options.all ? { all: true } : byFilter ? filter : ids
      if (options['dry-run']) {
        const preview = await broadcaster.admin.preview(name, target)
        if (preview.matches + preview.unchanged === 0) noteUnknown(options.backend, backends, terminal)
        return dryRun({ past, preview, ids: ids.length, json: options.json }, terminal)
      }
      if (options['in-background']) {
        if (ids.length > 0) throw new UsageError('--in-background takes a filter such as --type, or --all, and no ids')
        const { id, matched } = await broadcaster.admin.operations.start({
          do: name,
          filter: options.all ? { all: true } : filter,
          rate: options.rate,
          to: options.to,
          at,
          ...operator(options),
        })
        if (options.json) terminal.verbatim(stringifyJson({ operation: id, matched }))
        else
          terminal.out(
            `Operation ${id} began; ${matched ?? '100,000 and more'} match: broadcaster operations show ${id}`,
          )
        return EXIT.ok
      }
      const { admin } = broadcaster
      const signal = terminal.stopSignal()
      let done: MoveResult = { moved: [], tooLate: [], unknown: [] }
      const onProgress = (count: number, soFar: MoveResult): void => {
        done = soFar
        if (count >= LONG) terminal.progress(`${countOf(count, 'event')} ${past} ...`)
      }
      const show = (whole: boolean): readonly string[] => {
        const left = whole ? without(ids, done) : []
        report({ past, result: done, left, whole, json: options.json }, terminal)
        return left
      }
      try {
        const how = { onProgress, signal, ...operator(options) }
        if (name === 'replay') done = await admin.replay(target, { ...how, to: options.to })
        else if (name === 'reschedule') done = await admin.reschedule(target, at ?? new Date(), how)
        else done = await admin[name](target, how)
      } catch (error) {
        // What was done stays done, whatever happened then.
        if (!isEmpty(done)) show(false)
        throw error
      }
      const left = show(!signal.aborted)
      if (!signal.aborted && isEmpty(done)) noteUnknown(options.backend, backends, terminal)
      if (signal.aborted) return interruptedCode(signal)
      if (done.unknown.length > 0) return EXIT.store
      return left.length > 0 || done.tooLate.length > 0 ? EXIT.notFound : EXIT.ok
    },
  })
}

function newTime({ at, delay }: { readonly at: Date | undefined; readonly delay: number | undefined }): Date {
  if ((at === undefined) === (delay === undefined)) {
    throw new UsageError('reschedule takes --at or --delay; see broadcaster reschedule --help')
  }
  return at ?? new Date(Date.now() + (delay ?? 0))
}

function isEmpty(result: MoveResult): boolean {
  return Object.values(result).every(({ length }) => length === 0)
}

function noteUnknown(asked: string | undefined, backends: readonly string[], terminal: Screen): void {
  const unknown = unknownBackend(asked, backends)
  if (unknown !== '') terminal.note(unknown)
}

/** Those of the ids that are in no list of the result. */
function without(ids: readonly string[], { moved, tooLate, unknown }: MoveResult): readonly string[] {
  const known = new Set([...moved, ...tooLate, ...unknown])
  return ids.filter((id) => !known.has(id))
}

interface Report {
  readonly past: string
  readonly result: MoveResult
  readonly left: readonly string[]
  /** Whether the work came to its end. */
  readonly whole: boolean
  readonly json: boolean
}

/** Reports the outcome for the events. */
function report({ past, result, left, whole, json }: Report, terminal: Screen): void {
  const { moved, tooLate, unknown } = result
  if (json) {
    const fields = { [past]: moved, tooLate, unknown, unchanged: left }
    terminal.verbatim(stringifyJson(whole ? fields : { ...fields, interrupted: true }))
    return
  }
  terminal.out(`${countOf(moved.length, 'event')} ${past}.`)
  if (!whole)
    terminal.note('Interrupted: the rest was not processed, or its outcome is not known. Run the command again for it.')
  if (tooLate.length > 0) terminal.note(`Not ${past}, too late, already sent: ${tooLate.join(', ')}`)
  if (unknown.length > 0) {
    terminal.note(`Not ${past} yet: a worker has them in flight and does not answer. Try again: ${unknown.join(', ')}`)
  }
  if (left.length > 0) {
    terminal.note(`Not ${past}, since there is no such event or its status forbids it: ${left.join(', ')}`)
  }
}

interface DryRun {
  readonly past: string
  readonly preview: MovePreview
  /** How many events were named by their ids. */
  readonly ids: number
  readonly json: boolean
}

/** Says what would be changed, and what is meant and would stay; ends as the command itself would. */
function dryRun({ past, preview, ids, json }: DryRun, terminal: Screen): number {
  const { matches, unchanged, missing } = preview
  if (json) terminal.verbatim(stringifyJson(preview))
  else {
    const rest = unchanged === 0 ? '' : ` ${countOf(unchanged, 'other')} would stay: their status forbids it.`
    const none = missing === 0 ? '' : ` Of ${countOf(missing, 'id')} there is no event.`
    terminal.out(`${countOf(matches, 'event')} would be ${past}.${rest}${none}`)
  }
  return matches < ids ? EXIT.notFound : EXIT.ok
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
  description:
    'They become pending with their old ids, so that consumers that handle each event once leave them out. ' +
    'With --to another backend gets them: a row for each, or the one that it has.',
})

/** `broadcaster reschedule`. */
export const reschedule = moveCommand('reschedule', 'rescheduled', {
  summary: 'Gives events that are not published yet another due time.',
  description: 'Later events of their keys wait for them as before.',
})
