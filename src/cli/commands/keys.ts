import type { BlockedKeyPlace } from '../../admin/list-blocked-keys.ts'
import { stringifyJson } from '../../event/json.ts'
import { formatDuration } from '../../foundation/for-people.ts'
import type { BlockedHead } from '../../store/blocked-heads.ts'
import { defineCommand } from '../command.ts'
import { EXIT, UsageError } from '../exit-codes.ts'
import { type Column, fitTable } from '../table.ts'

/** `broadcaster keys`. */
export const keys = defineCommand({
  name: 'keys',
  summary: 'Lists the partition keys that failed events block.',
  description:
    'By backend and lane, all of them, page by page. `broadcaster requeue <id>` sends what blocks a key again,\n' +
    '`broadcaster skip <id>` lets the key go on without it.',
  options: {
    limit: { kind: 'integer', min: 1, max: 1_000, help: 'At most this many. Default: 50.' },
    after: { kind: 'text', value: 'place', help: 'Goes on where an earlier list ended.' },
  },
  examples: ['broadcaster keys', 'broadcaster keys --limit 1000 --json'],
  async run({ options }, { terminal, ready }) {
    const { limit, after, json } = options
    const { broadcaster } = await ready()
    const page = await broadcaster.admin.blockedKeys({ limit, after: after === undefined ? undefined : placeOf(after) })
    const next = page.next === null ? null : [page.next.lane, page.next.seq, page.next.backend].join(':')
    if (json) terminal.verbatim(stringifyJson({ keys: page.keys, next }))
    else if (page.keys.length > 0) for (const line of fitTable(COLUMNS, page.keys, terminal.width)) terminal.out(line)
    else if (next === null) terminal.note('No key is blocked.')
    if (next !== null && !json) terminal.note(`There may be more: --after ${next}`)
    return EXIT.ok
  },
})

const COLUMNS: readonly Column<BlockedHead>[] = [
  { title: 'BACKEND', cell: ({ backend }) => backend },
  { title: 'KEY', cell: ({ partitionKey }) => partitionKey },
  { title: 'BLOCKED FOR', cell: ({ since }) => formatDuration(since), expendable: 1 },
  { title: 'HELD BY', cell: ({ heldBy }) => heldBy },
]

function placeOf(text: string): BlockedKeyPlace {
  const [, lane, seq, backend] = /^(-?\d{1,9}):(-?\d{1,16}):(.*)$/s.exec(text) ?? []
  if (backend === undefined) throw new UsageError(`--after is not the end of an earlier list: ${text}`)
  return { lane: Number(lane), seq: Number(seq), backend }
}
