import type { BlockedKeyPlace, BlockedKeysPage } from '../admin/list-blocked-keys.ts'
import { ApiError } from './api-problem.ts'
import type { BlockedKeyRow, KeysAnswer } from './api-types.ts'
import type { ApiRoute, Call } from './call.ts'

const PAGE = 50
/** Events behind a key are counted up to here, and for all keys of a page this many rows are read of each kind. */
const COUNTED = 2_500
const READ = 100_000

export const KEYS_ROUTES: readonly ApiRoute[] = [
  {
    method: 'GET',
    path: 'keys',
    action: 'read',
    summary: 'Keys that failed events block, by backend and lane, 50 at a time.',
    query: { after: 'A cursor: next of an answer.' },
    answer: 'KeysAnswer',
    run: listKeys,
  },
]

async function listKeys(call: Call): Promise<KeysAnswer> {
  const { outbox, desk } = call
  const { backends, at } = await outbox.feed.read()
  const { keys, next } = await outbox.admin.blockedKeys({
    backends: backends.map(({ backend }) => backend),
    limit: PAGE,
    after: placeOf(call),
  })
  const waits = await waitingBehind(call, keys)
  const heads = await outbox.admin
    .filter({ id: { in: keys.map(({ heldBy }) => heldBy) } })
    .limit(PAGE)
    .all()
  const byId = new Map(heads.map((head) => [head.id, head]))
  const now = outbox.feed.now()
  const totals = backends.map((one) => one.blockedKeys)
  return {
    blocked: keys.map(({ backend, partitionKey, heldBy, since }, n): BlockedKeyRow => {
      const head = byId.get(heldBy)
      const { count = 0, exact = true } = waits[n] ?? {}
      return {
        backend,
        keyHash: desk.view.hashOf(partitionKey),
        key: desk.view.key(partitionKey),
        head: head === undefined ? null : desk.view.row(head),
        error: head?.lastError ?? '',
        since: new Date(now.getTime() - since).toISOString(),
        waiting: Math.min(COUNTED, count),
        more: !exact || count > COUNTED,
      }
    }),
    next: next === null ? null : desk.signer.sign(nameOf(call), [next.backend, next.lane, next.seq]),
    total: { count: totals.reduce((all, { count }) => all + count, 0), more: totals.some(({ exact }) => !exact) },
    at: at ?? now.toISOString(),
  }
}

/** Many lanes share what may be read for a page. */
function waitingBehind({ outbox }: Call, keys: BlockedKeysPage['keys']) {
  const lanes = new Set(keys.map(({ backend, lane }) => `${lane} ${backend}`))
  return outbox.admin.waitingBehind(keys, Math.min(COUNTED, Math.floor(READ / Math.max(1, lanes.size))))
}

const nameOf = ({ outbox }: Call): string => `cursor keys ${outbox.name}`

/** The place of a cursor; undefined without one. Throws `ApiError` `INVALID_CURSOR`. */
function placeOf(call: Call): BlockedKeyPlace | undefined {
  const { after } = call.query
  if (after === undefined) return undefined
  const read = call.desk.signer.read(nameOf(call), after)
  const [backend, lane, seq] = Array.isArray(read) ? (read as readonly unknown[]) : []
  if (typeof backend === 'string' && typeof lane === 'number' && typeof seq === 'number') return { backend, lane, seq }
  throw new ApiError('INVALID_CURSOR', 'after is not a cursor of this list; begin without it.', { field: 'after' })
}
