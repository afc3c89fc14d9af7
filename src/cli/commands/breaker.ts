import type { OpenBreaker } from '../../admin/status.ts'
import { stringifyJson } from '../../event/json.ts'
import { countOf, formatDuration } from '../../foundation/for-people.ts'
import { suggestion } from '../../foundation/suggestion.ts'
import type { OutageEntry } from '../../store/history-store.ts'
import { defineCommand } from '../command.ts'
import { EXIT, UsageError } from '../exit-codes.ts'
import { openFor } from '../open-breakers.ts'
import { OPERATOR_OPTIONS, operator } from '../operator.ts'
import { type Column, fitTable } from '../table.ts'

const COLUMNS: readonly Column<OpenBreaker>[] = [
  { title: 'BACKEND', cell: ({ backend }) => backend, least: 12 },
  { title: 'DESTINATION', cell: ({ destination }) => destination, least: 16 },
  { title: 'OPEN FOR', cell: (one) => openFor(one), expendable: 1 },
  { title: 'ERROR', cell: ({ error }) => error, least: 16 },
]

const HISTORY: readonly Column<OutageEntry>[] = [
  { title: 'BACKEND', cell: ({ backend, destination }) => destination || backend, least: 12 },
  { title: 'OPENED', cell: ({ openedAt }) => `${openedAt.toISOString().slice(0, 19)}Z` },
  { title: 'BY', cell: ({ openedBy }) => openedBy, least: 8, expendable: 2 },
  {
    title: 'FOR',
    cell: ({ openedAt, closedAt }) =>
      closedAt === null ? 'open' : formatDuration(Math.max(0, closedAt.getTime() - openedAt.getTime())),
  },
  { title: 'TRIES', cell: ({ probes }) => String(probes), expendable: 3 },
  { title: 'CLOSED BY', cell: ({ closedBy }) => closedBy, least: 8, expendable: 1 },
  { title: 'WHY', cell: ({ reason }) => reason, least: 16 },
]

/** `broadcaster breaker`. */
export const breaker = defineCommand({
  name: 'breaker',
  summary:
    'Lists the breakers that are open, tells when they opened and closed, or closes one that stays open although its backend works.',
  description:
    'A breaker closes by itself when a probe is delivered. `close` is for what a probe cannot know, such as a clock of\n' +
    'the database that was wrong for a while. Events of a backend are tried at once, those of a destination within two\n' +
    'minutes; if it is still down, the breaker opens again.\n' +
    'Without a destination those of all destinations of the backend are closed, too.',
  positionals: '<list | history [backend] | close backend [destination]>',
  options: OPERATOR_OPTIONS,
  examples: [
    'broadcaster breaker list',
    'broadcaster breaker history partners',
    'broadcaster breaker close partners https://partner.example',
  ],
  async run({ options, positionals }, { terminal, ready }) {
    const [action, backend, destination, ...more] = positionals
    const wellFormed =
      action === 'history'
        ? destination === undefined
        : action === 'list'
          ? backend === undefined
          : action === 'close' && backend !== undefined
    if (!wellFormed || more.length > 0) {
      throw new UsageError(
        'breaker takes list, history, or close, a backend and a destination; see broadcaster breaker --help',
      )
    }
    const { broadcaster, backends } = await ready()
    if (action === 'history') {
      const outages = await broadcaster.admin.outages({ limit: 200, ...(backend !== undefined && { backend }) })
      if (options.json) terminal.verbatim(stringifyJson({ outages }))
      else if (outages.length === 0) terminal.out('No breaker has opened, as far as is known.')
      else for (const line of fitTable(HISTORY, outages, terminal.width)) terminal.out(line)
      return EXIT.ok
    }
    if (backend === undefined) {
      const open = await broadcaster.admin.openBreakers()
      if (options.json) terminal.verbatim(stringifyJson({ breakers: open }))
      else if (open.length === 0) terminal.out('No breaker is open.')
      else {
        const lines = fitTable(COLUMNS, open, terminal.width)
        for (const line of lines) terminal.out(line)
      }
      return EXIT.ok
    }
    if (!backends.includes(backend)) {
      throw new UsageError(
        `there is no backend ${backend}${suggestion(backend, backends) || `; there are ${backends.join(', ')}`}`,
      )
    }
    const closed = await broadcaster.admin.closeBreaker(backend, destination, operator(options))
    if (options.json) terminal.verbatim(stringifyJson({ backend, closed }))
    else terminal.out(closed === 0 ? 'No such breaker is open.' : `${countOf(closed, 'breaker')} closed.`)
    return EXIT.ok
  },
})
