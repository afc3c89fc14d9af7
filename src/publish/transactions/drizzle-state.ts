import { isObject } from './refusal.ts'

/** What is known of a transaction without asking the server. `open`: or aborted; `intact`: open and not aborted. */
export type DrizzleState = 'intact' | 'open' | 'ended' | 'aborted' | 'unknown'

/**
 * Drizzle does not tell whether its transactions have ended, and passes on what comes late: to a connection that may be
 * back in its pool. The driver's client underneath (`tx.session.client`, internal to Drizzle) knows: pg from 8.21 on by
 * `getTransactionStatus`, better-sqlite3 by `inTransaction`, PGlite and libSQL by `closed`. Where it is not found, or
 * does not tell, the answer is `unknown`.
 */
export function drizzleState(tx: unknown): DrizzleState {
  const session = isObject(tx) ? tx['session'] : undefined
  if (!isObject(session)) return 'unknown'
  const { client, tx: libsql } = session
  if (isObject(libsql) && typeof libsql['closed'] === 'boolean') return libsql['closed'] ? 'ended' : 'open'
  if (!isObject(client)) return 'unknown'
  if (typeof client['inTransaction'] === 'boolean') return client['inTransaction'] ? 'open' : 'ended'
  if (typeof client['closed'] === 'boolean') return client['closed'] ? 'ended' : 'open'
  // While an answer is under way the status may be an old one.
  if (typeof client['getTransactionStatus'] !== 'function' || client['readyForQuery'] === false) return 'unknown'
  switch (client['getTransactionStatus']()) {
    case 'T':
      // With pipelining answers arrive together, and this may be the state after a later one.
      return client['pipeline'] === true ? 'open' : 'intact'
    case 'E':
      return 'aborted'
    case 'I':
      return 'ended'
    default:
      return 'unknown'
  }
}
