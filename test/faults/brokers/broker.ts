import type { Backend } from '../../../src/backend/backend.ts'
import type { HandlingOptions } from '../../../src/consumer/consumer-options.ts'
import type { Subscription } from '../../../src/consumer/subscription.ts'

import type { PgTransaction } from '../../../src/store/postgres/pg-transaction.ts'

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
  /** As many acknowledged events as it may lose by itself at a SIGKILL, since it acknowledges before it writes. Default 0. */
  readonly mayLose?: number
  /** Whether it now and then keeps what it has until its client connects anew. */
  readonly mayStall?: boolean
  /** The reason to skip for want of a program, or false. */
  skip(): string | false
  /** `observe`: all that arrives is read through `subscription`; `consume`: consumers are processes of their own. */
  start(purpose: 'observe' | 'consume'): Promise<RunningBroker>
  backend(address: Address): Backend
  subscription(address: Address): Subscription
  /** Where consumers are no subscribers: starts one, of which there is one at a time; resolves with how to end it. */
  readonly receive?: (address: Address, handling: HandlingOptions<PgTransaction>) => Promise<() => Promise<void>>
}

/** The names of the files beside this one, of one for each backend. */
export const BROKERS = ['redis-streams', 'kafka', 'nats', 'rabbitmq', 'mqtt', 'webhook'] as const
/** And a second MQTT server, which unlike Mosquitto writes before it acknowledges. */
export const SECOND_MQTT = 'mqtt-hivemq'

export async function loadBroker(name: string): Promise<FaultyBroker> {
  const { broker } = (await import(`./${name}.ts`)) as { readonly broker: FaultyBroker }
  return broker
}
