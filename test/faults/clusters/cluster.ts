import type { Backend } from '../../../src/backend/backend.ts'
import type { Subscription } from '../../../src/consumer/subscription.ts'

/** Three nodes of a broker, of which one is killed and does not come back. */
export interface RunningCluster {
  backend(): Backend
  subscription(): Subscription
  /** Kills the node that leads what we write to; resolves with its name. */
  killLeader(): Promise<string>
  remove(): Promise<void>
}

export interface Cluster {
  readonly title: string
  readonly durability: string
  /** The reason to skip, or false. */
  skip(): string | false
  start(): Promise<RunningCluster>
}

/** Names of the files beside this one. */
export const CLUSTERS = ['nats', 'rabbitmq', 'kafka'] as const

export async function loadCluster(name: string): Promise<Cluster> {
  const { cluster } = (await import(`./${name}.ts`)) as { readonly cluster: Cluster }
  return cluster
}

/** Asks again until there is an answer that is not undefined. */
export async function until<T>(what: string, ask: () => Promise<T | undefined>): Promise<T> {
  for (const end = Date.now() + 60_000; ; await new Promise((resolve) => setTimeout(resolve, 100))) {
    const answer = await ask().catch(() => undefined)
    if (answer !== undefined) return answer
    if (Date.now() > end) throw new Error(`waited a minute for ${what}`)
  }
}
