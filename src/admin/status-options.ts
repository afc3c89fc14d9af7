/** What `status` looks at, and how long. */
export interface StatusOptions {
  /** How long a due event that nothing holds may have waited before a finding reports it, in milliseconds. Default 5 minutes. */
  readonly maxLag?: number | undefined
  /** How long any transaction may be open before a finding reports it, in milliseconds. Default 5 minutes. */
  readonly maxTransaction?: number | undefined
  /** Asks the backends, too, what a person should know of them: that goes over the network. Default: false. */
  readonly askBackends?: boolean | undefined
  /**
   * Looks, too, at what takes longer: whether anything of the schema was dropped or changed, whether workers would learn of commits where the store can tell them (a connection more, and two seconds
   * where they would not), whether retention keeps up, and how large the inbox is. Default: false.
   */
  readonly thorough?: boolean | undefined
  /** With `thorough`, compares the schema as well, which makes tables that are rolled back. Default: true. */
  readonly compareSchema?: boolean | undefined
  /** From this size on, in bytes with its indexes, a finding of the thorough look reports the inbox. Default 1 GiB. */
  readonly maxInbox?: number | undefined
  /** How long each backend may take, in milliseconds. Default 5,000. */
  readonly timeout?: number | undefined
}
