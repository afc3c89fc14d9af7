/** Where events go to or come from, for traces. */
export interface Messaging {
  /** Which kind: `kafka`, `rabbitmq`, `redis-streams`. */
  readonly system: string
  /** The topic, stream, exchange or queue, of few different names; undefined = none, or another for each event. */
  readonly destination?: string | undefined
}
