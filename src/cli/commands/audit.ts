import type { AuditCounts, AuditEntry, AuditTarget } from '../../admin/audit-log.ts'
import { stringifyJson } from '../../event/json.ts'
import { defineCommand } from '../command.ts'
import { EXIT } from '../exit-codes.ts'
import { formatInstant, onOneLine, shorten } from '../format.ts'
import { type Column, fitTable } from '../table.ts'

const COLUMNS: readonly Column<AuditEntry>[] = [
  { title: 'NUMBER', cell: ({ id }) => String(id), expendable: 2 },
  { title: 'AT (UTC)', cell: ({ at }) => formatInstant(at) },
  { title: 'WHO', cell: ({ who }) => shorten(who, 24), least: 6 },
  { title: 'WHAT', cell: ({ what }) => what },
  { title: 'TO', cell: ({ target }) => shorten(targetOf(target), 60), least: 12, expendable: 3 },
  { title: 'ENDED', cell: ({ outcome, counts, error }) => ended(outcome, counts, error), least: 12 },
  { title: 'REASON', cell: ({ reason }) => shorten(onOneLine(reason), 40), least: 8, expendable: 1 },
]

/** `broadcaster audit`. */
export const audit = defineCommand({
  name: 'audit',
  summary: 'Shows what operators did, the newest first: who, what, to what, how many, and how it ended.',
  options: {
    who: { kind: 'text', value: 'name', help: 'Only what this person did.' },
    what: { kind: 'text', value: 'action', help: 'Only this: requeue, skip, cancel, replay, pause, resume ...' },
    event: { kind: 'text', value: 'id', help: 'Only what names this event, of the newest 10,000.' },
    after: { kind: 'integer', min: 1, help: 'Goes on after the entry of this number, where an earlier list ended.' },
    limit: { kind: 'integer', min: 1, max: 1_000, help: 'At most this many. Default: 50.' },
  },
  examples: ['broadcaster audit --who oncall', 'broadcaster audit --what requeue --json'],
  async run({ options }, { terminal, ready }) {
    const { who, what, event, after, limit = 50 } = options
    const { broadcaster } = await ready()
    const entries = await broadcaster.admin.audit({ who, what, event, after, limit })
    const last = entries.length === limit ? entries.at(-1) : undefined
    if (options.json) terminal.verbatim(stringifyJson({ audit: entries, next: last?.id ?? null }))
    else if (entries.length === 0) terminal.note('Nothing was done, or nothing that matches.')
    else {
      const [titles = '', ...lines] = fitTable(COLUMNS, entries, terminal.width)
      terminal.out(titles, 'bold')
      for (const line of lines) terminal.out(line)
      if (last) terminal.note(`There may be more: --after ${last.id}`)
    }
    return EXIT.ok
  },
})

function targetOf({ ids, idsMore = 0, filter, all, entry, backend, destination, consumer, to }: AuditTarget): string {
  const parts = [
    ids && `${ids.join(', ')}${idsMore > 0 ? ` and ${idsMore} more` : ''}`,
    filter === undefined ? undefined : typeof filter === 'string' ? filter : stringifyJson(filter),
    all && 'every event',
    entry === undefined ? undefined : `entry ${entry}`,
    backend,
    destination,
    consumer,
    to === undefined ? undefined : `to ${typeof to === 'string' ? to : stringifyJson(to)}`,
  ]
  return onOneLine(parts.filter((part) => part !== undefined).join(' '))
}

function ended(outcome: string, { moved, tooLate = 0, unknown = 0, leftAlone = 0 }: AuditCounts, error: string | null) {
  const counts = Object.entries({ 'too late': tooLate, 'not known': unknown, 'left alone': leftAlone })
  const rest = counts.flatMap(([what, count]) => (count > 0 ? [`${count} ${what}`] : []))
  return onOneLine([outcome, `${moved} changed`, ...rest, ...(error === null ? [] : [shorten(error, 60)])].join(', '))
}
