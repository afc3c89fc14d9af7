import { backendStatuses, laneStatuses } from '../admin/status.ts'
import type { OutboxLook } from '../store/outbox-look.ts'
import { NAMELESS_BACKEND, STORE_METRICS, type StoreMetricName } from './metric-table.ts'
import { Samples } from './samples.ts'
import type { Seen } from './store-look.ts'

/** The gauges of what was seen of each outbox; undefined = its database did not answer. Pure. */
export function storeMetrics(
  outboxes: readonly (readonly [outbox: string, seen: Seen | undefined])[],
): ReadonlyMap<StoreMetricName, Samples> {
  const samples = new Map(NAMES.map((name) => [name, new Samples(STORE_METRICS[name])] as const))
  for (const [outbox, seen] of outboxes) {
    samples.get('broadcaster_store_up')?.set([outbox], seen === undefined ? 0 : 1)
    if (seen === undefined) continue
    const { look, duration } = seen
    const ofOutbox: Partial<Record<StoreMetricName, number>> = {
      broadcaster_store_look_seconds: duration / 1_000,
      broadcaster_workers: look.workers.length,
      broadcaster_rows: look.totalRows,
      ...(look.inboxRows !== null && { broadcaster_inbox_rows: look.inboxRows }),
    }
    for (const name of NAMES) {
      const value = ofOutbox[name]
      if (value !== undefined) samples.get(name)?.set([outbox], value)
    }
    for (const [backend, values] of backendValues(look)) {
      for (const name of NAMES) {
        const value = values[name]
        if (value !== undefined) samples.get(name)?.set([outbox, backend || NAMELESS_BACKEND], value)
      }
    }
  }
  return samples
}

function backendValues(
  look: OutboxLook,
): readonly (readonly [backend: string, values: Partial<Record<StoreMetricName, number>>])[] {
  const lanes = laneStatuses(look)
  return backendStatuses(look, []).map((status) => {
    const { backend, waiting, stuck, scheduled, retrying, failed, blockedKeys, lag, openBreakers } = status
    const isOpen = openBreakers.some(({ destination }) => destination === '')
    return [
      backend,
      {
        // Workers name the default backend, but its rows may not: who serves those is not known.
        ...(backend !== '' && { broadcaster_backend_workers: servers(look, backend) }),
        broadcaster_lanes_orphaned: lanes.filter((lane) => lane.backend === backend && lane.orphaned).length,
        broadcaster_waiting_events: waiting.count,
        broadcaster_stuck_events: stuck.count,
        broadcaster_scheduled_events: scheduled.count,
        broadcaster_retrying_events: retrying.count,
        broadcaster_failed_events: failed.count,
        broadcaster_blocked_keys: blockedKeys.count,
        broadcaster_lag_seconds: (lag ?? 0) / 1_000,
        broadcaster_oldest_stuck_seconds: stuck.count > 0 ? heldFor(look, backend, isOpen) / 1_000 : 0,
        broadcaster_breaker_open: isOpen ? 1 : 0,
        broadcaster_destinations_down: openBreakers.filter(({ destination }) => destination !== '').length,
      },
    ]
  })
}

function servers({ workers }: OutboxLook, backend: string): number {
  return workers.filter(({ backends }) => backends.includes(backend)).length
}

/** For how long, in milliseconds, what is held longest has been held. */
function heldFor(look: OutboxLook, backend: string, isOpen: boolean): number {
  const ready = isOpen ? look.backends.find((one) => one.backend === backend)?.oldestReadyAge : undefined
  const keys = look.blockedKeys.filter((one) => one.backend === backend).map(({ since }) => since)
  const places = look.destinations.filter((one) => one.backend === backend).map(({ since }) => since)
  return Math.max(0, ready ?? 0, ...keys, ...places)
}

const NAMES = Object.keys(STORE_METRICS) as readonly StoreMetricName[]
