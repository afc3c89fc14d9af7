import { type FailedGroup, failureState, groupFailures } from '../admin/failure-groups.ts'
import { quoted } from '../admin/filter-language/suggest.ts'
import { errorPattern } from '../foundation/error-pattern.ts'
import { errorCode } from '../record/error-cause.ts'
import type { OutboxEvent } from '../record/outbox-event.ts'
import type { FailureGroup, FailuresAnswer } from './api-types.ts'
import type { ApiRoute, Call } from './call.ts'
import { filterOf, placeOf, search, searchedOf } from './filter-of-call.ts'

const KIND = 'failures'
/** Failed events that are read for one answer, the newest first. */
const LOOKED_AT = 10_000
const GROUPS = 100
/** What groups are made of. */
const GROUPED_BY = [
  'publisherBackend',
  'partitionKey',
  'eventType',
  'availableAt',
  'createdAt',
  'updatedAt',
  'lastError',
  'errorCode',
  'errorFingerprint',
] as const
/** Of an error in a filter, in characters. */
const LONGEST_PART = 120

export const FAILURE_ROUTES: readonly ApiRoute[] = [
  {
    method: 'GET',
    path: 'failures',
    action: 'read',
    summary: 'Failed events grouped by their error, of the newest 10,000 that match.',
    query: { q: 'A filter within the failed ones. Empty = all.', after: 'A cursor: goOn of an answer.' },
    answer: 'FailuresAnswer',
    run: listFailures,
  },
]

async function listFailures(call: Call): Promise<FailuresAnswer> {
  const { outbox, query } = call
  const q = call.desk.filters.read(query['q'] ?? '')
  const filter = await filterOf(call, `status:failed ${q}`)
  const after = placeOf(call, KIND)?.id
  const { events, more, looked } = await search(call, filter, { limit: LOOKED_AT, after, columns: GROUPED_BY })
  const status = await outbox.feed.read()
  const failed = status.backends.reduce((all, { failed: { count } }) => all + count, 0)
  const groups = groupFailures(events).slice(0, GROUPS)
  const sent = await lastSent(call, groups)
  const last = more ? (events.at(-1) ?? null) : null
  const ended = last && { rows: events.length, last: last.id, until: last.createdAt }
  const searched = searchedOf(call, KIND, looked ?? ended, failed) ?? {
    rows: events.length,
    ofAbout: Math.max(events.length, after === undefined ? 0 : failed),
    goOn: null,
    until: events.at(-1)?.createdAt.toISOString() ?? null,
  }
  const now = outbox.feed.now()
  return {
    groups: groups.map((group) =>
      groupAnswer(group, { more: searched.goOn !== null, now, sent: sent.get(group.backend) ?? null }),
    ),
    searched,
    at: now.toISOString(),
  }
}

interface Around {
  readonly more: boolean
  readonly now: Date
  /** When something of its backend was delivered last; null: nothing is sent, or not known. */
  readonly sent: Date | null
}

function groupAnswer(group: FailedGroup, { more, now, sent }: Around): FailureGroup {
  const { backend, fingerprint, someOld, newest, count, keys, blockedKeys, types, first, last } = group
  const sample = newest.lastError
  const pattern = errorPattern(sample)
  const cause = someOld ? [...narrowing(pattern, sample), `cause:${quoted(pattern)}`] : [`fingerprint:${fingerprint}`]
  return {
    fingerprint,
    pattern,
    code: newest.errorCode ?? errorCode(sample),
    backend,
    sample,
    sampleId: newest.id,
    count,
    more,
    keys: keys.size,
    blockedKeys: blockedKeys.size,
    types: [...types],
    first: first.toISOString(),
    last: last.toISOString(),
    state: failureState(last, now, sent && sent > last),
    q: ['status:failed', `backend:${quoted(backend)}`, ...cause].join(' '),
  }
}

/** The longest word that all errors of a pattern have: the database can look for that, so that few are looked at for the rest. */
function narrowing(pattern: string, sample: string): readonly string[] {
  const parts = pattern.split(/<(?:n|id|value|time|mail)>|\s+/).map((part) => part.slice(0, LONGEST_PART))
  const found = parts.filter((part) => sample.includes(part))
  const longest = found.reduce((one, other) => (other.length > one.length ? other : one), '')
  return longest === '' ? [] : [`error:${quoted(longest)}`]
}

/** When each backend that flows delivered last, among the newest rows. */
async function lastSent({ outbox }: Call, groups: readonly FailedGroup[]): Promise<ReadonlyMap<string, Date>> {
  if (groups.length === 0) return new Map()
  const [status, newest] = await Promise.all([
    outbox.feed.read(),
    outbox.admin.filter().only('publisherBackend', 'publishedAt', 'status').orderBy('-id').limit(1_000).all(),
  ])
  const flows = (name: string): boolean => {
    const own = status.backends.find(({ backend }) => backend === name)
    return own !== undefined && own.paused === null && !own.openBreakers.some(({ destination }) => destination === '')
  }
  const sent = new Map<string, Date>()
  for (const { publisherBackend: backend, publishedAt } of newest as readonly OutboxEvent[]) {
    if (publishedAt === null || !flows(backend)) continue
    const before = sent.get(backend)
    if (before === undefined || publishedAt > before) sent.set(backend, publishedAt)
  }
  return sent
}
