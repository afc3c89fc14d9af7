import type { Backend } from '../../src/backend/backend.ts'
import type { Catalogue } from '../../src/event/catalogue.ts'
import type { PublishHooks } from '../../src/publish/hooks.ts'
import { Publisher } from '../../src/publish/publisher.ts'
import type { RecordSource } from '../../src/record/record-source.ts'
import type { Store } from '../../src/store/store.ts'
import { SignalSource } from '../../src/telemetry/signals.ts'

const nowhere: Backend = {
  send: async () => [],
  healthCheck: async () => ({ healthy: true }),
  close: async () => {},
}

/** A publisher on a store, with the backends `default` and `partners`, for tests that deliver nothing. */
export function publisherOn(
  store: Store,
  records?: RecordSource,
  catalogue?: Catalogue,
  hooks?: PublishHooks,
): Publisher<unknown> {
  return new Publisher({
    store: store.publish,
    dialect: store.dialect,
    adapter: store.transactionAdapter,
    backends: new Map([
      ['default', nowhere],
      ['partners', nowhere],
    ]),
    defaultBackend: () => 'default',
    routes: [],
    catalogue,
    unlistedEvents: 'refuse',
    maxRetries: 3,
    signals: new SignalSource('test'),
    ...(records ? { records } : {}),
    ...(hooks ? { hooks } : {}),
  })
}
