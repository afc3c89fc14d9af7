import type { OutboxStatus, Paused } from '../admin/status.ts'
import type { BackendJson, PauseJson, StatusAnswer } from './api-operations.ts'
import type { EventView } from './shown-event.ts'

/** The status as JSON. */
export function statusAnswer(status: OutboxStatus, view: EventView): StatusAnswer {
  const { schema } = status
  return {
    outbox: status.outbox,
    description: status.description,
    place: status.place,
    at: status.at?.toISOString() ?? null,
    schema: {
      version: schema.version,
      latest: schema.latest,
      lanes: schema.lanes,
      pending: schema.pending.map(({ version, name, breaking }) => ({ version, name, breaking })),
      foreign: schema.foreign,
      extraIndexes: schema.extraIndexes.map(({ name, drop }) => ({ name, drop })),
    },
    backends: status.backends.map(
      (one): BackendJson => ({
        backend: one.backend,
        waiting: one.waiting,
        stuck: one.stuck,
        lag: one.lag,
        scheduled: one.scheduled,
        retrying: one.retrying,
        failed: one.failed,
        blockedKeys: one.blockedKeys,
        configured: one.configured,
        description: one.description,
        openBreakers: one.openBreakers.map(({ backend, destination, since, probeIn, error }) => ({
          backend,
          destination,
          since,
          probeIn,
          error,
        })),
        paused: one.paused && pauseOf(one.paused, status.at),
      }),
    ),
    workers: status.workers.map(({ id, name, backends, leaseLeft, lanes }) => ({
      id,
      name,
      backends,
      leaseLeft,
      lanes,
    })),
    lanes: lanesByBackend(status.lanes),
    blockedKeys: status.blockedKeys.map(({ backend, partitionKey, heldBy, since }) => ({
      backend,
      keyHash: view.hashOf(partitionKey),
      key: view.key(partitionKey),
      heldBy,
      since,
    })),
    totalRows: status.totalRows,
    totalRowsIsEstimate: status.totalRowsIsEstimate,
    findings: findingRows(status.findings),
  }
}

/** Findings as JSON. */
export function findingRows(findings: OutboxStatus['findings']): StatusAnswer['findings'] {
  return findings.map(({ code, level, message, cure }) => ({ code, level, message, cure: cure ?? null }))
}

/** To the second: a pause that is the same must look the same in each answer. */
function pauseOf({ by, reason, since }: Paused, now: Date | null): PauseJson {
  const at = (now ?? new Date()).getTime() - since
  return { by, reason, at: new Date(Math.round(at / 1_000) * 1_000).toISOString() }
}

function lanesByBackend(lanes: OutboxStatus['lanes']): StatusAnswer['lanes'] {
  return Array.from(
    Map.groupBy(lanes, ({ backend }) => backend),
    ([backend, own]) => {
      const owned = own.filter(({ owner }) => owner !== null).length
      const orphaned = own.filter((lane) => lane.orphaned).length
      return {
        backend,
        owned,
        free: own.length - owned - orphaned,
        orphaned,
        held: own.filter(({ held }) => held).length,
      }
    },
  )
}
