/** Where events go to or come from, for traces. */
export interface Messaging {
  /** Which kind: `kafka`, `rabbitmq`, `redis-streams`. */
  readonly system: string
  /** The topic, stream, exchange or queue; undefined = none, or chosen per event (traces need few different names). */
  readonly destination?: string | undefined
}
