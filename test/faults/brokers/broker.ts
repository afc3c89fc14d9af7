import type { Backend } from '../../../src/backend/backend.ts'
import type { Subscription } from '../../../src/consumer/subscription.ts'

/** A broker process of the test's own, with the place that events go to. */
export interface RunningBroker {
  /** What another process needs to reach it; JSON. */
  readonly address: Address
  /** SIGKILL, in the middle of whatever it does. */
  kill(): Promise<void>
  /** Starts it again with its data; resolves when it takes connections. */
  restart(): Promise<void>
  /** Ends it and removes its data. */
  remove(): Promise<void>
}

export type Address = Readonly<Record<string, string>>

/** A broker as the fault tests use it: each file beside this one exports one as `broker`. */
export interface FaultyBroker {
  /** As tables show it: `Redis Streams`. */
  readonly title: string
  /** What it must do to lose nothing, as configured here; for the table. */
  readonly durability: string
  /** The reason to skip for want of a program, or false. */
  skip(): string | false
  start(): Promise<RunningBroker>
  backend(address: Address): Backend
  subscription(address: Address): Subscription
}

/** The names of the files beside this one. */
export const BROKERS = ['redis-streams', 'kafka', 'nats', 'rabbitmq'] as const
export type BrokerName = (typeof BROKERS)[number]

export async function loadBroker(name: string): Promise<FaultyBroker> {
  const { broker } = (await import(`./${name}.ts`)) as { readonly broker: FaultyBroker }
  return broker
}
