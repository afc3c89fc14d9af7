import { BroadcasterError } from '../errors.ts'
import { settles } from '../foundation/waiting.ts'
import type { CoordinationStore } from '../store/coordination-store.ts'
import type { RelayStore } from '../store/relay-store.ts'
import type { Cleaned } from './retention.ts'

/**
 * What the store answers, or `STORE_UNAVAILABLE` after `limit` ms: over a connection that died silently no answer ever
 * comes. What was asked may still be done later, as after any error that hides an answer.
 */
export async function answered<T>(limit: number, asking: Promise<T>): Promise<T> {
  if (await settles(asking, { timeout: limit })) return asking
  throw new BroadcasterError('STORE_UNAVAILABLE', `the database did not answer within ${limit} ms`)
}

/** A clean-up is many statements: one that hangs must not be the end of retention. */
const PURGES = 10

/** Retention each of whose parts ends within a multiple of `limit` ms. */
export function patientCleaning({ retention, admin, inbox, audit }: Cleaned, limit: number): Cleaned {
  return {
    retention: {
      walk: (...given) => answered(limit, retention.walk(...given)),
      remove: (...given) => answered(PURGES * limit, retention.remove(...given)),
      census: (...given) => answered(limit, retention.census(...given)),
    },
    admin: { list: (...given) => answered(PURGES * limit, admin.list(...given)) },
    inbox: { prune: (...given) => answered(PURGES * limit, inbox.prune(...given)) },
    audit: { prune: (...given) => answered(PURGES * limit, audit.prune(...given)) },
  }
}

/** A relay store whose statements all end within `limit` ms, except for transactions in which a handler works. */
export function patientRelay(store: RelayStore, limit: number): RelayStore {
  const { fetchFew, writers } = store
  return {
    fetch: (...given) => answered(limit, store.fetch(...given)),
    ...(fetchFew && { fetchFew: (...given) => answered(limit, fetchFew(...given)) }),
    fetchData: (...given) => answered(limit, store.fetchData(...given)),
    ...(writers && { writers: () => answered(limit, writers()) }),
    lastSeq: (...given) => answered(limit, store.lastSeq(...given)),
    unpark: (...given) => answered(limit, store.unpark(...given)),
    settle: (...given) => answered(limit, store.settle(...given)),
    reconcile: (...given) => answered(limit, store.reconcile(...given)),
    waitingNames: (...given) => answered(limit, store.waitingNames(...given)),
    settleInTransaction: (...given) => store.settleInTransaction(...given),
  }
}

/** A coordination store whose statements all end within `limit` ms. */
export function patientCoordination(store: CoordinationStore, limit: number): CoordinationStore {
  const { breakers, destinations, rates, duties } = store
  return {
    enter: (...given) => answered(limit, store.enter(...given)),
    renew: (...given) => answered(limit, store.renew(...given)),
    survey: (...given) => answered(limit, store.survey(...given)),
    look: (...given) => answered(limit, store.look(...given)),
    claim: (...given) => answered(limit, store.claim(...given)),
    quiet: (...given) => answered(limit, store.quiet(...given)),
    release: (...given) => answered(limit, store.release(...given)),
    leave: (...given) => answered(limit, store.leave(...given)),
    breakers: {
      open: (...given) => answered(limit, breakers.open(...given)),
      tryProbe: (...given) => answered(limit, breakers.tryProbe(...given)),
      postpone: (...given) => answered(limit, breakers.postpone(...given)),
      close: (...given) => answered(limit, breakers.close(...given)),
      pause: (...given) => answered(limit, breakers.pause(...given)),
      resume: (...given) => answered(limit, breakers.resume(...given)),
    },
    destinations: {
      list: (...given) => answered(limit, destinations.list(...given)),
      open: (...given) => answered(limit, destinations.open(...given)),
      tryProbe: (...given) => answered(limit, destinations.tryProbe(...given)),
      postpone: (...given) => answered(limit, destinations.postpone(...given)),
      close: (...given) => answered(limit, destinations.close(...given)),
    },
    rates: { take: (...given) => answered(limit, rates.take(...given)) },
    duties: {
      take: (...given) => answered(limit, duties.take(...given)),
      giveBack: (...given) => answered(limit, duties.giveBack(...given)),
    },
  }
}
