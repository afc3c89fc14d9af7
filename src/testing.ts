export {
  type MemoryBackend,
  type MemoryBackendOptions,
  memoryBackend,
} from './backend/memory/memory-backend.ts'
export type { FaultMatch, MemoryFaults } from './backend/memory/memory-faults.ts'
export {
  type MemoryDeadLetter,
  type MemorySubscription,
  type MemorySubscriptionOptions,
  memorySubscription,
} from './consumer/memory/memory-subscription.ts'
export {
  type BackendAbility,
  type BackendCase,
  type BackendFixture,
  backendConformance,
} from './testing/backend-conformance.ts'
export {
  type ConformanceCase,
  type ConformanceFixture,
  type ConformanceRunner,
  runConformance,
} from './testing/conformance.ts'
export { sampleEvent, sampleEvents } from './testing/sample-events.ts'
export {
  type StoreCapability,
  type StoreCase,
  type StoreFixture,
  storeConformance,
} from './testing/store-conformance.ts'
export {
  type StoredDeadLetter,
  type SubscriptionAbility,
  type SubscriptionCase,
  type SubscriptionFixture,
  subscriptionConformance,
} from './testing/subscription-conformance.ts'
