import type { Backend } from '../../backend/backend.ts'
import type { EncodableEvent } from '../../event/cloud-event.ts'
import type { SendRow } from '../../record/columns.ts'
import { caseWriter } from '../conformance.ts'

/** What some backends cannot offer. Such a backend declares why, and the cases that need it are skipped. */
export type BackendAbility =
  /** The destination can be made to refuse one event while it takes the others. */
  | 'refused'
  /** Both that and `ordersWithinSend`. */
  | 'refusedWithinSend'
  /** The destination can be stopped and started. */
  | 'stopServer'
  /** Several events of one key in one send: `capabilities.ordersWithinSend`. */
  | 'ordersWithinSend'
  /** A second delivery of an event arrives a second time: not with `capabilities.deduplicates`. */
  | 'showsDuplicates'
  /** A size limit: `maxEventBytes`. */
  | 'sizeLimit'

/** A backend with an empty destination of its own, and what the cases need around it. */
export interface BackendFixture {
  /** The backend under test, on a place of its own. */
  readonly backend: Backend
  /** Every event that has arrived, in the order of arrival, read at the destination. */
  read(): Promise<readonly EncodableEvent[]>
  /** Columns that make the destination refuse an event, as a failure or for good, while it takes others. */
  readonly refused?: Partial<SendRow>
  /** Makes the destination unreachable; what it has received must survive. */
  stopServer?(): Promise<void>
  /** Makes it reachable again, at the same address. */
  startServer?(): Promise<void>
  /** Closes the backend and removes the destination. */
  close(): Promise<void>
}

export const { it, requires } = caseWriter<BackendFixture, BackendAbility>()
