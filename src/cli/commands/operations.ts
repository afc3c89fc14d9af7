import type { Operation } from '../../admin/background-operations.ts'
import { stringifyJson } from '../../event/json.ts'
import { defineCommand } from '../command.ts'
import { EXIT, UsageError } from '../exit-codes.ts'
import { formatInstant, onOneLine, shorten } from '../format.ts'
import { OPERATOR_OPTIONS, operator } from '../operator.ts'
import { type Column, fitTable } from '../table.ts'

const COLUMNS: readonly Column<Operation>[] = [
  { title: 'NUMBER', cell: ({ id }) => String(id) },
  { title: 'WHAT', cell: (one) => (one.to === null ? one.do : `${one.do} to ${one.to}`) },
  { title: 'STATE', cell: ({ state }) => state },
  { title: 'MOVED', cell: ({ moved, matched }) => `${moved} of ${matched ?? '100,000+'}` },
  { title: 'LEFT ALONE', cell: ({ leftAlone }) => String(leftAlone), expendable: 3 },
  { title: 'FILTER', cell: ({ text }) => shorten(onOneLine(text), 40), least: 12, expendable: 2 },
  { title: 'BY', cell: ({ by }) => shorten(by, 24), least: 6, expendable: 4 },
  { title: 'BEGAN (UTC)', cell: ({ beganAt }) => formatInstant(beganAt), expendable: 5 },
  { title: 'ERROR', cell: ({ error }) => shorten(onOneLine(error ?? ''), 60), least: 12, expendable: 1 },
]
const DONE = { pause: 'paused', resume: 'running', cancel: 'cancelled' } as const
type Verb = keyof typeof DONE

/** `broadcaster operations`. */
export const operations = defineCommand({
  name: 'operations',
  summary: 'Lists what is done to events in the background, and pauses, resumes or cancels it.',
  description:
    'requeue, skip, cancel and replay begin one with --in-background; a worker goes on with it, and another where that one dies.\n' +
    'cancel ends it after the step that is being made: what was moved stays moved.',
  positionals: '<list | show n | pause n | resume n | cancel n>',
  options: {
    ...OPERATOR_OPTIONS,
    after: { kind: 'integer', min: 1, help: 'With list: goes on after this number, where an earlier list ended.' },
    limit: { kind: 'integer', min: 1, max: 1_000, help: 'With list: at most this many. Default: 50.' },
  },
  examples: ['broadcaster operations list', 'broadcaster operations cancel 12'],
  async run({ options, positionals }, { terminal, ready }) {
    const [action, number, ...more] = positionals
    const isNumber = number !== undefined && /^[1-9]\d{0,14}$/.test(number)
    const wellFormed = action === 'list' ? number === undefined : (action === 'show' || isVerb(action)) && isNumber
    if (!wellFormed || more.length > 0) {
      throw new UsageError('operations takes list, or show, pause, resume or cancel and a number')
    }
    const { broadcaster } = await ready()
    const { operations: all } = broadcaster.admin
    const { after, limit = 50 } = options
    const id = Number(number)
    const changed = isVerb(action) ? await all[action](id, operator(options)) : undefined
    const found =
      action === 'list' ? await all.list({ ...(after !== undefined && { after }), limit }) : [await all.get(id)]
    if (options.json) {
      terminal.verbatim(stringifyJson(action === 'list' ? { operations: found } : { operation: found[0], changed }))
      return EXIT.ok
    }
    if (isVerb(action)) {
      const { state } = found[0] ?? {}
      terminal.out(
        changed ? `Operation ${id} is ${DONE[action]}.` : `Operation ${id} is ${state}; nothing was changed.`,
      )
      return EXIT.ok
    }
    if (found.length === 0) terminal.note('There is no operation.')
    else for (const line of fitTable(COLUMNS, found, terminal.width)) terminal.out(line)
    return EXIT.ok
  },
})

function isVerb(action: string | undefined): action is Verb {
  return action !== undefined && Object.hasOwn(DONE, action)
}
