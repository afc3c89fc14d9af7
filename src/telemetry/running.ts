/** A worker that has started and not stopped. */
export interface RunningWorker {
  readonly outbox: string
  readonly worker: string
  readonly backends: readonly string[]
}

/** A consumer that has started and not stopped. */
export interface RunningConsumer {
  readonly outbox: string
  readonly consumer: string
  readonly subscription: string
}

/** Lanes that a worker owns. */
export interface HeldLanes {
  readonly outbox: string
  readonly backend: string
  readonly worker: string
  readonly lanes: readonly number[]
}

type WorkerSignal = Pick<RunningWorker, 'outbox' | 'worker'>

const workers: RunningWorker[] = []
const consumers: RunningConsumer[] = []
const lanes = new Map<string, HeldLanes>()

/** What runs in this process, as its signals told it, for those who begin to listen later. */
export const running = {
  workers: workers as readonly RunningWorker[],
  consumers: consumers as readonly RunningConsumer[],
  /** One entry for each lane. */
  get lanes(): Iterable<HeldLanes> {
    return lanes.values()
  },
}

/** How signals change it. */
export const RUNNING_CHANGES = {
  'worker.started': (message: RunningWorker): void => void workers.push(message),
  'worker.stopped': ({ outbox, worker }: WorkerSignal): void => {
    remove(workers, (one) => one.outbox === outbox && one.worker === worker)
    // A lane whose release failed had no `lane.lost`.
    for (const [key, held] of lanes) if (held.outbox === outbox && held.worker === worker) lanes.delete(key)
  },
  'consumer.started': (message: RunningConsumer): void => void consumers.push(message),
  'consumer.stopped': ({ outbox, consumer }: Pick<RunningConsumer, 'outbox' | 'consumer'>): void =>
    remove(consumers, (one) => one.outbox === outbox && one.consumer === consumer),
  'lane.gained': (message: HeldLanes): void => {
    for (const lane of message.lanes) lanes.set(keyOf(message, lane), { ...message, lanes: [lane] })
  },
  'lane.lost': (message: HeldLanes): void => {
    for (const lane of message.lanes) lanes.delete(keyOf(message, lane))
  },
}

function remove<One>(from: One[], isIt: (one: One) => boolean): void {
  const at = from.findIndex(isIt)
  if (at !== -1) from.splice(at, 1)
}

const keyOf = ({ outbox, backend, worker }: HeldLanes, lane: number): string =>
  [outbox, backend, worker, lane].join('\0')
