/** What `status` looks at, and how long. */
export interface StatusOptions {
  /** How long a due event that nothing holds may have waited before a finding reports it, in milliseconds. Default 5 minutes. */
  readonly maxLag?: number | undefined
  /** How long any transaction may be open before a finding reports it, in milliseconds. Default 5 minutes. */
  readonly maxTransaction?: number | undefined
  /** Asks the backends, too, what a person should know of them: that goes over the network. Default: false. */
  readonly askBackends?: boolean | undefined
  /**
   * Tries, too, whether workers would learn of commits where the store can tell them: that takes a connection more, and about two seconds
   * where they would not. Default: false.
   */
  readonly tryWakeUp?: boolean | undefined
  /** How long each backend may take, in milliseconds. Default 5,000. */
  readonly timeout?: number | undefined
}
