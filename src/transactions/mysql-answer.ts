import { BroadcasterError } from '../errors.ts'
import { memberOf } from '../foundation/inner-errors.ts'
import { isObject } from './refusal.ts'

/** Bits of the status that the server sends with each answer. */
export const IN_TRANSACTION = 0x0001
const AUTOCOMMIT = 0x0002

const LOCK_WAIT_TIMEOUT = 1205
const DEADLOCK = 1213
/** MariaDB with `innodb_snapshot_isolation`: a row has changed since the snapshot of this transaction. */
const CHANGED = 1020
const PACKET_TOO_LARGE = 1153

/** Whether a transaction is open by the status that came with an answer, or undefined if none did. */
export function isOpenBy(answer: unknown): boolean | undefined {
  if (!isObject(answer) || typeof answer['serverStatus'] !== 'number') return undefined
  const status = answer['serverStatus']
  // Without autocommit everything is in a transaction, though none has begun before the first statement.
  return (status & IN_TRANSACTION) !== 0 || (status & AUTOCOMMIT) === 0
}

/** Throws what a driver's error means; one that means nothing to us is thrown as it is. */
export function throwTranslated(cause: unknown): never {
  // `message` may begin with the whole statement, as Knex writes it.
  const said = String(memberOf(cause, 'sqlMessage') ?? memberOf(cause, 'message') ?? cause)
  switch (isObject(cause) ? cause['errno'] : undefined) {
    case DEADLOCK:
      throw new BroadcasterError(
        'TRANSACTION_CONFLICT',
        `MySQL has rolled the whole transaction back (${said}); run it again from its beginning`,
        { field: 'tx', cause },
      )
    case CHANGED:
      throw new BroadcasterError(
        'TRANSACTION_CONFLICT',
        `a row has changed since this transaction began (${said}); roll back and run it again from its beginning`,
        { field: 'tx', cause },
      )
    case LOCK_WAIT_TIMEOUT:
      throw new BroadcasterError('STORE_BUSY', `another transaction was first (${said}); roll back and try again`, {
        field: 'tx',
        cause,
      })
    case PACKET_TOO_LARGE:
      throw new BroadcasterError(
        'EVENT_TOO_LARGE',
        `what is published at once is larger than the server's max_allowed_packet (${said}); publish less, or raise it`,
        { cause },
      )
    default:
      throw cause
  }
}
