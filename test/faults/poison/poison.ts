import type { Backend } from '../../../src/backend/backend.ts'
import type { Subscription } from '../../../src/consumer/subscription.ts'

/** An event that a backend cannot send. */
export interface Outgoing {
  readonly type: string
  readonly data?: unknown
  readonly dataContentType?: string
  readonly extensions?: Readonly<Record<string, string>>
}

export interface RunningPoison {
  backend(): Backend
  subscription(): Subscription
  /** One of each kind. */
  readonly outgoing: readonly Outgoing[]
  /** What makes an event hostile that `publish` would not take; of the given table. */
  readonly sql?: (table: string) => string
  /** Puts a message of each hostile kind where consumers read; resolves with how many. */
  publishHostile(): Promise<number>
  remove(): Promise<void>
}

export interface PoisonedBroker {
  /** The reason to skip, or false. */
  skip(): string | false
  start(): Promise<RunningPoison>
}

/** Names of the files beside this one. */
export const POISONED = ['nats', 'rabbitmq', 'kafka'] as const

export async function loadPoison(name: string): Promise<PoisonedBroker> {
  const { broker } = (await import(`./${name}.ts`)) as { readonly broker: PoisonedBroker }
  return broker
}
