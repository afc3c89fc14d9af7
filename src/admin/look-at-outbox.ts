import type { OutboxLook } from '../store/outbox-look.ts'
import type { Store } from '../store/store.ts'
import type { ConfiguredBackend } from './status.ts'

/**
 * What the tables hold, and what the database says of itself. Without an index of ours, or with a schema of which something was dropped
 * (`isBroken`), a look at the tables may fail: then what is missing is all there is to tell.
 */
export async function lookAtOutbox(
  store: Store,
  configured: readonly ConfiguredBackend[],
  maxTransaction: number | undefined,
  isBroken: boolean,
) {
  const [inspected, look] = await Promise.allSettled([inspect(store, maxTransaction), lookAt(store, configured)])
  if (inspected.status === 'rejected') {
    if (!isBroken) throw inspected.reason
    return []
  }
  if (look.status === 'fulfilled') return [inspected.value, look.value] as const
  if (!isBroken && (inspected.value?.inspection.missingIndexes.length ?? 0) === 0) throw look.reason
  return [inspected.value] as const
}

/** One that no event and no worker has named yet may be down or paused, too: its breaker is asked for. */
async function lookAt({ admin, coordination }: Store, configured: readonly ConfiguredBackend[]): Promise<OutboxLook> {
  const look = await admin.look()
  const seen = new Set([...look.backends, ...look.breakers].map(({ backend }) => backend))
  const unseen = configured.map(({ name }) => name).filter((name) => !seen.has(name))
  if (unseen.length === 0) return look
  const { breakers } = await coordination.look(unseen)
  return { ...look, breakers: [...look.breakers, ...breakers] }
}

async function inspect({ schema }: Store, transactionAge: number | undefined) {
  const before = Date.now()
  const inspection = await schema.inspect?.({ transactionAge })
  if (inspection === undefined) return undefined
  // The database read its clock at some moment between the two, not in their middle: a connection may have been opened first.
  const [now, after] = [inspection.now.getTime(), Date.now()]
  return { inspection, clockAhead: Math.min(now - before, 0) + Math.max(now - after, 0) }
}
