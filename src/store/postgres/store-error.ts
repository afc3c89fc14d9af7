import { storeErrors } from '../store-errors.ts'

const SQLSTATE = /^[0-9A-Z]{5}$/

/** What errors of PostgreSQL mean, by SQLSTATE. */
export const { serverCode, storeError, isLocked, fateAfter, runAgainOnConflict } = storeErrors<string>({
  dialect: 'postgres',
  database: 'PostgreSQL',
  codeOf(error) {
    if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return undefined
    // System error codes such as EPIPE can look like one, but only those begin with E and a letter.
    return SQLSTATE.test(error.code) && !/^E[A-Z]/.test(error.code) ? error.code : undefined
  },
  // Serialization failure, deadlock.
  conflict: new Set(['40001', '40P01']),
  locked: '55P03',
  // Read-only, as a standby or one that was demoted is; shutting down, starting.
  cannotServe: new Set(['25006', '57P01', '57P02', '57P03']),
  // Of the connection, of the server's disk or memory, or of a killed session.
  isLost: (state) => /^(08|57P|58|25P03|XX)/.test(state),
})
