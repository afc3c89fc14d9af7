import type { AdminParts } from './admin.ts'
import { findingsOf } from './findings.ts'
import { lookAtOutbox } from './look-at-outbox.ts'
import { backendStatuses, laneStatuses, type OutboxStatus, workerStatuses } from './status.ts'
import type { StatusOptions } from './status-options.ts'
import { lookThoroughly, type ThoroughLook } from './thorough-look.ts'

const MAX_LAG = 300_000
const MAX_INBOX = 2 ** 30
const BACKEND_TIMEOUT = 5_000

/** How the outbox is, and what a person should know of it. */
export async function readStatus(
  parts: Pick<AdminParts, 'outbox' | 'store' | 'backends' | 'backendFindings' | 'retention'>,
  {
    maxLag = MAX_LAG,
    maxTransaction,
    askBackends = false,
    thorough = false,
    maxInbox = MAX_INBOX,
    compareSchema = true,
    timeout = BACKEND_TIMEOUT,
  }: StatusOptions = {},
): Promise<OutboxStatus> {
  const { outbox, store, backendFindings } = parts
  const configured = parts.backends()
  const schema = await store.schema.status()
  const ready = schema.pending.length === 0
  const asked = askBackends && ready ? backendFindings(timeout) : {}
  const more: ThoroughLook =
    thorough && ready ? await lookThoroughly(store, parts.retention, { maxInbox, compareSchema }) : {}
  const isBroken = more.drift !== undefined
  const [inspected, look] = ready ? await lookAtOutbox(store, configured, maxTransaction, isBroken) : []
  const seen = look && {
    backends: backendStatuses(look, configured),
    workers: workerStatuses(look),
    lanes: laneStatuses(look),
  }
  return {
    outbox,
    description: store.description,
    place: store.place ?? null,
    at: look?.now ?? null,
    schema: {
      version: schema.version,
      latest: schema.latest,
      lanes: schema.lanes,
      pending: schema.pending,
      foreign: schema.foreign ?? false,
      extraIndexes: inspected?.inspection.extraIndexes ?? [],
    },
    ...(seen ?? { backends: [], workers: [], lanes: [] }),
    blockedKeys: look?.blockedKeys ?? [],
    totalRows: look?.totalRows ?? 0,
    totalRowsIsEstimate: look?.totalRowsIsEstimate ?? false,
    findings: findingsOf({
      store: store.description,
      schema,
      ...(seen && { seen }),
      ...inspected,
      ...more,
      backendFindings: await asked,
      maxLag,
    }),
  }
}
