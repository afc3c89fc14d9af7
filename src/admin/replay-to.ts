import { parseJson, stringifyJson } from '../event/json.ts'
import { uuidV7 } from '../event/uuid.ts'
import { COLUMN_NAMES, type NewOutboxEvent, type OutboxEventColumns } from '../record/columns.ts'
import { hashKey } from '../record/hash-key.ts'
import type { AdminStore, Condition } from '../store/admin-store.ts'
import { MoveInterruptedError, type MoveResult, moveInPeace, type PeaceOptions } from './move-in-peace.ts'

/** Copied in one transaction: their data passes through this process. */
const AT_ONCE = 100

/**
 * Replays published events to a backend, in the order of their insertion: those of other backends as rows for it, its own as they
 * are. `where`: what each must meet still. `operation`: the number that they are marked with. Resolves with the ids that were
 * given, as far as they were replayed.
 */
export async function replayTo(
  admin: Pick<AdminStore, 'list' | 'hold' | 'move' | 'lift'>,
  ids: readonly string[],
  to: string,
  { where: filter = [], ...wait }: Omit<PeaceOptions, 'giveUp'> = {},
  operation: number | null = null,
): Promise<Pick<MoveResult, 'moved' | 'unknown'>> {
  const find = (some: readonly string[], columns: Parameters<AdminStore['list']>[0]['columns']) => {
    const where: readonly Condition[] = [
      ...filter,
      { column: 'id', op: 'in', values: some },
      { column: 'status', op: 'eq', value: 'published' },
    ]
    return admin.list({ where, order: [{ column: 'seq', descending: false }], limit: null, offset: 0, columns })
  }
  const all = (await find(ids, ['id', 'seq'])).flatMap(({ id }) => id ?? [])
  const moved: string[] = []
  const unknown: string[] = []
  for (let start = 0; start < all.length && wait.signal?.aborted !== true; start += AT_ONCE) {
    const rows = (await find(all.slice(start, start + AT_ONCE), COLUMN_NAMES)) as readonly OutboxEventColumns[]
    const own = rows.filter(({ publisherBackend }) => publisherBackend === to).map(({ id }) => id)
    const others = rows.filter(({ publisherBackend }) => publisherBackend !== to)
    const copies = others.map((row) => copyFor(row, to, operation))
    const idOf = new Map(copies.map(({ id }, n) => [id, others[n]?.id ?? id]))
    try {
      if (own.length > 0) {
        const done = await moveInPeace(admin, own, { kind: 'replay' }, { ...wait, where: filter })
        moved.push(...done.moved)
        unknown.push(...done.unknown)
      }
      if (copies.length === 0) continue
      const done = await moveInPeace(admin, [...idOf.keys()], { kind: 'copy', rows: copies }, wait)
      moved.push(...done.moved.map((id) => idOf.get(id) ?? id))
    } catch (error) {
      const some = error instanceof MoveInterruptedError ? error.moved.map((id) => idOf.get(id) ?? id) : []
      if (moved.length + some.length === 0) throw error
      throw new MoveInterruptedError(error instanceof MoveInterruptedError ? error.cause : error, [...moved, ...some])
    }
  }
  return { moved, unknown }
}

/** The same event for another backend: id, source and time stay. Options for its backend do not, since they are another's. */
function copyFor(row: OutboxEventColumns, to: string, replay: number | null): NewOutboxEvent {
  const { partitionKey, extensions, eventTime, createdAt, eventId, id } = row
  const marked = (): string => stringifyJson({ ...(parseJson(extensions ?? '{}') as object), replay })
  return {
    id: uuidV7(),
    partitionKey,
    keyHash: partitionKey === null ? null : hashKey(partitionKey),
    eventId: eventId ?? id,
    specVersion: row.specVersion,
    eventType: row.eventType,
    source: row.source,
    subject: row.subject,
    dataContentType: row.dataContentType,
    dataSchema: row.dataSchema,
    data: row.data,
    dataBinary: row.dataBinary,
    extensions: replay === null ? extensions : marked(),
    eventTime: eventTime ?? createdAt.toISOString(),
    scheduledAt: null,
    delay: 0,
    maxRetries: row.maxRetries,
    publisherBackend: to,
    publisherConfig: '{}',
  }
}
