import type { ConformanceCase } from './conformance.ts'
import { adminListCases } from './store/admin-list-cases.ts'
import { adminMoveCases } from './store/admin-move-cases.ts'
import { auditCases } from './store/audit-cases.ts'
import { breakerCases } from './store/breaker-cases.ts'
import { clockCases } from './store/clock-cases.ts'
import { clockLeaseCases } from './store/clock-lease-cases.ts'
import { coordinationCases } from './store/coordination-cases.ts'
import { copyCases } from './store/copy-cases.ts'
import { correctCases } from './store/correct-cases.ts'
import { destinationCases } from './store/destination-cases.ts'
import { dutyCases } from './store/duty-cases.ts'
import { eraseCases } from './store/erase-cases.ts'
import { fetchCases } from './store/fetch-cases.ts'
import { fidelityCases } from './store/fidelity-cases.ts'
import type { StoreCapability, StoreFixture } from './store/fixture.ts'
import { historyCases } from './store/history-cases.ts'
import { holdCases } from './store/hold-cases.ts'
import { inboxCases } from './store/inbox-cases.ts'
import { lookCases } from './store/look-cases.ts'
import { operationCases } from './store/operation-cases.ts'
import { operationStepCases } from './store/operation-step-cases.ts'
import { pauseCases } from './store/pause-cases.ts'
import { publishCases } from './store/publish-cases.ts'
import { purgeCases } from './store/purge-cases.ts'
import { rateCases } from './store/rate-cases.ts'
import { reconcileCases } from './store/reconcile-cases.ts'
import { schemaCases } from './store/schema-cases.ts'
import { settleCases } from './store/settle-cases.ts'
import { settleInTransactionCases } from './store/settle-in-transaction-cases.ts'
import { settleLostCases } from './store/settle-lost-cases.ts'
import { sizeCases } from './store/size-cases.ts'
import { undoCases } from './store/undo-cases.ts'
import { wakeCases } from './store/wake-cases.ts'

export type { StoreCapability, StoreFixture } from './store/fixture.ts'

/** A behaviour that every store must show. */
export type StoreCase = ConformanceCase<StoreFixture> & { readonly requires?: StoreCapability }

/** The behaviour of a store, whole: register it with `runConformance`. */
export const storeConformance: readonly StoreCase[] = [
  ...schemaCases,
  ...publishCases,
  ...fidelityCases,
  ...fetchCases,
  ...settleCases,
  ...settleLostCases,
  ...eraseCases,
  ...settleInTransactionCases,
  ...reconcileCases,
  ...coordinationCases,
  ...breakerCases,
  ...pauseCases,
  ...destinationCases,
  ...rateCases,
  ...adminListCases,
  ...adminMoveCases,
  ...correctCases,
  ...copyCases,
  ...holdCases,
  ...lookCases,
  ...sizeCases,
  ...auditCases,
  ...historyCases,
  ...operationCases,
  ...operationStepCases,
  ...undoCases,
  ...dutyCases,
  ...purgeCases,
  ...inboxCases,
  ...wakeCases,
  ...clockCases,
  ...clockLeaseCases,
]
