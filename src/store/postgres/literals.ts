/**
 * The statuses of an event that is still to be delivered. Written into each query exactly as into the predicates of
 * the partial indexes: the planner proves that an index applies by comparing the two.
 */
export const UNSETTLED = `('pending', 'retry', 'processing')`

/** `FAR_FUTURE` of the record, as SQL. */
export const FAR_FUTURE_SQL = `timestamptz '9999-12-31 00:00:00+00'`

/**
 * Advisory lock keys of one outbox are these numbers plus the object id of its events table, which fits in the low
 * 32 bits. The high 24 bits spell "bro".
 *
 * `waiting`: held shared by relays that wait to be told of commits.
 * `committing`: held shared by transactions from before they look for a waiting relay until their commit is over.
 * `telling`: held by the one transaction that notifies; the others leave it to that one.
 */
export const LOCK_KEYS = {
  waiting: 0x62726f00_00000000n,
  committing: 0x62726f01_00000000n,
  telling: 0x62726f02_00000000n,
} as const
