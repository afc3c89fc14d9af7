import type { OutboxEvent } from '../record/outbox-event.ts'
import type { ActedBy } from './actor.ts'
import type { Audit } from './audit-log.ts'
import { requireBackend } from './require-backend.ts'

/** The CloudEvents type of every test event, by which consumers know one. */
export const TEST_EVENT_TYPE = 'ts-broadcaster.test'
const SOURCE = '/ts-broadcaster/test'

/** Who sends a test event, and what is in it. */
export interface TestEventOptions extends ActedBy {
  /** Its data, as `publish` takes it. Default: `{ "test": true }`. */
  readonly data?: unknown
  /** Options of the event for its backend, such as a topic. Default: none. */
  readonly backendConfig?: Readonly<Record<string, unknown>> | undefined
}

/** Publishes an event of any type in a transaction of its own. */
export type PublishTest = (
  event: { readonly type: string; readonly source: string; readonly data: unknown },
  options: {
    readonly backend: string
    readonly maxRetries: number
    readonly backendConfig?: Readonly<Record<string, unknown>> | undefined
  },
) => Promise<OutboxEvent>

/** Sends an event to a backend to see whether one arrives. */
export class TestEvents {
  readonly #publish: PublishTest
  readonly #names: () => readonly string[]
  readonly #audit: Audit

  /** `names`: the backends that are configured. */
  constructor(publish: PublishTest, names: () => readonly string[], audit: Audit) {
    this.#publish = publish
    this.#names = names
    this.#audit = audit
  }

  /** It has no key, so it holds up nothing, and one attempt, so its outcome is soon known. */
  async send(backend: string, { by, reason, data, backendConfig }: TestEventOptions = {}): Promise<string> {
    requireBackend(backend, this.#names())
    const event = { type: TEST_EVENT_TYPE, source: SOURCE, data: data === undefined ? { test: true } : data }
    const { id } = await this.#audit.write(
      { what: 'test-event', target: { backend }, by, reason },
      () => this.#publish(event, { backend, maxRetries: 0, backendConfig }),
      (published) => ({ moved: published === undefined ? 0 : 1 }),
    )
    return id
  }
}
