import { storeErrors } from '../store-errors.ts'

/** The server ends the connection: shutdown, killed. */
const LOST: ReadonlySet<number> = new Set([1077, 1079, 1080, 1152, 1158, 1159, 1160, 1161, 1184, 1927, 4031])
/** What errors of MySQL and MariaDB mean, by number. */
export const { serverCode, storeError, isLocked, fateAfter, runAgainOnConflict } = storeErrors<number>({
  dialect: 'mysql',
  database: 'MySQL',
  codeOf(error) {
    if (!(error instanceof Error) || !('errno' in error) || typeof error.errno !== 'number') return undefined
    // Network errors have a negative `errno`; the client's own have a code and no SQLSTATE.
    return error.errno > 0 && 'sqlState' in error ? error.errno : undefined
  },
  // Deadlock, and (MariaDB with snapshot isolation) a row that changed after it was read.
  conflict: new Set([1213, 1020]),
  // It has waited already, so the caller is told.
  locked: 1205,
  // Read-only, as a replica or a demoted primary is: 1290 (`read_only`, or another option), 1792
  // (transaction_read_only), 1836 (InnoDB). Shutting down: 1053. Offline mode: 3032. Not, or no longer, a member of its
  // cluster: 1047 (Galera), 3098, 3168.
  cannotServe: new Set([1047, 1053, 1290, 1792, 1836, 3032, 3098, 3168]),
  isLost: (number) => LOST.has(number),
})
