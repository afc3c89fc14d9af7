import { cutShortCases } from './backend/cut-short-cases.ts'
import { deliveryCases } from './backend/delivery-cases.ts'
import { eventFidelityCases } from './backend/event-fidelity-cases.ts'
import type { BackendAbility, BackendFixture } from './backend/fixture.ts'
import { refusalCases } from './backend/refusal-cases.ts'
import type { ConformanceCase } from './conformance.ts'

export type { BackendAbility, BackendFixture } from './backend/fixture.ts'

/** A behaviour that every backend must show. */
export type BackendCase = ConformanceCase<BackendFixture> & { readonly requires?: BackendAbility }

/** The behaviour of a backend, whole: register it with `runConformance`. */
export const backendConformance: readonly BackendCase[] = [
  ...deliveryCases,
  ...eventFidelityCases,
  ...refusalCases,
  ...cutShortCases,
]
