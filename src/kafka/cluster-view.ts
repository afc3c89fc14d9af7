import { OutageError } from '../backend/send-error.ts'
import { errorMessage } from '../foundation/error-message.ts'
import { clientOptions, type KafkaModule, within } from './client.ts'
import { nameOfCode } from './failure.ts'
import type { ResolvedKafkaConnection } from './options.ts'

type Base = import('@platformatic/kafka').Base
type Broker = Parameters<Base['connections']['get']>[0]
type Metadata = import('@platformatic/kafka').ClusterMetadata
type PartitionState = import('@platformatic/kafka').ClusterPartitionMetadata

/** The brokers, and which one leads which partition. A topic that could not be looked up has no partitions. */
export interface View extends Metadata {
  /** Why nothing is known of a topic: the protocol's error name. */
  readonly refused: ReadonlyMap<string, string>
  /** Whether each partition has a leader that can be asked. */
  readonly whole: boolean
}

/** How long an answer is used, in milliseconds. */
const AGE = 5_000
/** The same, while a partition has no leader. */
const AGE_IN_TROUBLE = 1_000
/** When a broker has not answered after this long, in ms, the next is asked as well. */
const HEDGE = 1_000
const GROUP = 0
const NOBODY = -1

/**
 * What the brokers say about their cluster. Unlike the client's own metadata, an answer with a leaderless partition in
 * it is an answer, and a broker that does not answer does not keep us from asking the next.
 */
export class ClusterView {
  readonly #kafka: KafkaModule
  readonly #connection: ResolvedKafkaConnection
  /** A client for each broker that was asked, by address. */
  readonly #clients = new Map<string, Base>()
  /** By the names of the topics. */
  readonly #latest = new Map<string, { readonly view: View; readonly at: number }>()
  readonly #asking = new Map<string, Promise<View>>()
  /** The broker that answered last. */
  #best: Broker | undefined
  #known: readonly Broker[] = []
  /** The broker to ask last. */
  #doubted: string | undefined
  #isClosed = false

  constructor(kafka: KafkaModule, connection: ResolvedKafkaConnection) {
    this.#kafka = kafka
    this.#connection = connection
  }

  /** A view some seconds old at most, or older while no broker answers; later rejects with an `OutageError`. */
  async of(topics: readonly string[], create = false): Promise<View> {
    const name = topics.toSorted().join(' ')
    const latest = this.#latest.get(name)
    const age = performance.now() - (latest?.at ?? Number.NEGATIVE_INFINITY)
    if (latest && age < (latest.view.whole ? AGE : AGE_IN_TROUBLE)) return latest.view
    const asked = this.#ask(name, topics, create)
    if (!latest || age > AGE + this.#patience) return asked
    // The answer will be there at the next look.
    asked.catch(() => undefined)
    return latest.view
  }

  /** A broker said that it no longer leads a partition. */
  expire(): void {
    for (const [name, { view, at }] of this.#latest) {
      this.#latest.set(name, { view, at: Math.min(at, performance.now() - AGE) })
    }
  }

  /** What is known of topics was wrong: it is asked for again. */
  forget(): void {
    this.#latest.clear()
    // A broker that has just started may not have heard of it yet: another one is asked first.
    this.#doubted = this.#best && addressOf(this.#best)
    this.#best = undefined
  }

  /** The broker that coordinates the group. */
  async coordinatorOf(group: string): Promise<number> {
    const answer = await this.#anyone((client) =>
      ask<CoordinatorAnswer>(this.#kafka, client, 'FindCoordinator', [GROUP, [group]]),
    )
    const nodeId = answer.coordinators[0]?.nodeId ?? NOBODY
    if (nodeId < 0) throw new OutageError(`the group ${group} has no coordinator`)
    return nodeId
  }

  /**
   * Lets one of our clients see the cluster like this, and ask whichever broker answers. `refuses`: a refused topic is
   * an error, not a topic without partitions.
   */
  lendTo(client: Base, topics: readonly string[], refuses = false): void {
    const kafka = this.#kafka
    // The client calls a method of each error that it is given.
    const own = (error: unknown): Error => new kafka.MultipleErrors(errorMessage(error), [error as Error])
    client[kafka.kMetadata] = ({ topics: wanted = [], autocreateTopics, forceUpdate }, callback) => {
      if (forceUpdate) this.forget()
      this.of(wanted, autocreateTopics).then(
        (view) => {
          const [name] = refuses ? view.refused.values() : []
          if (name === undefined) callback(null, view)
          else callback(own(new kafka.ProtocolError(name as never)), undefined as never)
        },
        (error: unknown) => callback(own(error), undefined as never),
      )
    }
    client.clearMetadata = () => this.forget()
    client[kafka.kGetBootstrapConnection] = (callback) => {
      this.of(topics).then(
        () => client[kafka.kGetConnection]((this.#best ?? this.#known[0]) as Broker, callback),
        (error: unknown) => callback(own(error)),
      )
    }
    // A broker that has left the cluster, which the client takes for one that is there.
    client[kafka.kGetConnection] = (broker: Broker | undefined, callback) => {
      if (broker === undefined) callback(new kafka.NetworkError('the broker is not in the cluster now'))
      else client.connections.get(broker, callback as never)
    }
  }

  close(): void {
    this.#isClosed = true
    for (const address of [...this.#clients.keys()]) this.#drop(address)
  }

  get #patience(): number {
    return this.#connection.connectTimeout + this.#connection.timeout
  }

  #ask(name: string, topics: readonly string[], create: boolean): Promise<View> {
    const asking =
      this.#asking.get(name) ??
      this.#anyone((client) => ask<MetadataAnswer>(this.#kafka, client, 'Metadata', [[...topics], create, true]))
        .then((answer) => {
          const view = viewOf(answer, this.#kafka)
          this.#known = [...view.brokers.values()]
          this.#latest.set(name, { view, at: performance.now() })
          return view
        })
        .finally(() => this.#asking.delete(name))
    this.#asking.set(name, asking)
    return asking
  }

  /** Asks one broker, and the next when that one fails or takes long; the first answer counts. */
  #anyone<T>(work: (client: Base) => Promise<T>): Promise<T> {
    const brokers = new Map<string, Broker>()
    const bootstrap = this.#connection.bootstrapServers.map(brokerOf)
    for (const broker of [...(this.#best ? [this.#best] : []), ...this.#known, ...bootstrap]) {
      brokers.set(addressOf(broker), broker)
    }
    const left = [...brokers].toSorted(([a], [b]) => Number(a === this.#doubted) - Number(b === this.#doubted))
    return new Promise((resolve, reject) => {
      let open = 0
      let isAnswered = false
      let failure: unknown
      let timer: NodeJS.Timeout | undefined
      const next = (): void => {
        clearTimeout(timer)
        const [address, broker] = left.shift() ?? []
        if (address === undefined || broker === undefined || this.#isClosed) {
          if (open === 0) reject(failure ?? new OutageError('closed'))
          return
        }
        open++
        timer = setTimeout(next, HEDGE)
        within(this.#patience, work(this.#clientOf(address, broker))).then(
          (answer) => {
            clearTimeout(timer)
            isAnswered = true
            this.#best = broker
            resolve(answer)
          },
          (error: unknown) => {
            open--
            failure ??= error
            this.#drop(address)
            if (!isAnswered) next()
          },
        )
      }
      next()
    })
  }

  #clientOf(address: string, broker: Broker): Base {
    const found = this.#clients.get(address)
    if (found) return found
    const client = new this.#kafka.Base({ ...clientOptions(this.#connection), bootstrapBrokers: [broker], retries: 0 })
    this.#clients.set(address, client)
    return client
  }

  /** Ends the connection of a broker that did not answer. */
  #drop(address: string): void {
    const client = this.#clients.get(address)
    this.#clients.delete(address)
    client?.close().catch(() => undefined)
  }
}

interface CoordinatorAnswer {
  readonly coordinators: readonly { readonly nodeId: number }[]
}

interface MetadataAnswer {
  readonly brokers: readonly { readonly nodeId: number; readonly host: string; readonly port: number }[]
  readonly clusterId: string | null
  readonly controllerId: number
  readonly topics: readonly {
    readonly errorCode: number
    readonly name: string | null
    readonly topicId: string
    readonly partitions: readonly {
      readonly partitionIndex: number
      readonly leaderId: number
      readonly leaderEpoch: number
      readonly replicaNodes: number[]
      readonly isrNodes: number[]
      readonly offlineReplicas: number[]
    }[]
  }[]
}

function viewOf({ brokers, clusterId, controllerId, topics }: MetadataAnswer, kafka: KafkaModule): View {
  const lastUpdate = Date.now()
  const known = new Map(brokers.map(({ nodeId, host, port }) => [nodeId, { host, port, rack: null }]))
  const refused = new Map<string, string>()
  let whole = true
  const byName = topics.map(({ name, topicId: id, errorCode, partitions: answered }) => {
    const topic = name ?? ''
    if (errorCode !== 0) {
      whole = false
      refused.set(topic, nameOfCode(kafka, errorCode))
    }
    const partitions: PartitionState[] = []
    for (const { partitionIndex, leaderId: leader, leaderEpoch, replicaNodes, isrNodes, offlineReplicas } of answered) {
      if (!known.has(leader)) whole = false
      partitions[partitionIndex] = { leader, leaderEpoch, replicas: replicaNodes, isr: isrNodes, offlineReplicas }
    }
    return [topic, { id, partitions, partitionsCount: partitions.length, lastUpdate }] as const
  })
  return { id: clusterId ?? '', brokers: known, controllerId, topics: new Map(byName), lastUpdate, refused, whole }
}

/** Makes one request. An answer that names errors is still an answer: it says what they concern. */
export function ask<Answer>(kafka: KafkaModule, client: Base, name: string, args: readonly unknown[]): Promise<Answer> {
  return new Promise((resolve, reject) => {
    client[kafka.kGetBootstrapConnection]((unreachable, connection) => {
      if (unreachable || !connection) return reject(unreachable)
      client[kafka.kGetApi]<unknown[], Answer>(name, (unsupported, api) => {
        if (unsupported || !api) return reject(unsupported)
        const answered = (error: Error | null, answer?: Answer): void => {
          const given = error !== null && 'response' in error ? (error.response as Answer) : answer
          if (given) resolve(given)
          else reject(error)
        }
        api(connection, ...args, answered)
      })
    })
  })
}

function brokerOf(address: string): Broker {
  const colon = address.lastIndexOf(':')
  return { host: address.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(address.slice(colon + 1)) }
}

function addressOf({ host, port }: Broker): string {
  return `${host}:${port}`
}
