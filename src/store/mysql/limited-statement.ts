import { type Limits, SERVER_FIRST } from '../statement-limits.ts'

const ALL = '18446744073709551615'

/**
 * A statement of ours with its limits, and without those of the session that would change what it does: `sql_select_limit`
 * hides rows, `sql_safe_updates` refuses updates by another index than the server expects. MariaDB takes all of it with the
 * statement. MySQL takes hints; for what writes it has no limit but those of the locks.
 */
export function withLimits(text: string, { lock }: Limits, left: number): string {
  const time = Math.max(100, Math.round(left) - SERVER_FIRST)
  const wait = Math.ceil(lock / 1_000)
  const forMariadb = `/*M! SET STATEMENT max_statement_time=${time / 1_000},innodb_lock_wait_timeout=${wait},lock_wait_timeout=${wait},sql_select_limit=${ALL},sql_safe_updates=0 FOR */ `
  const settings = `SET_VAR(lock_wait_timeout=${wait}) SET_VAR(sql_safe_updates=0) SET_VAR(sql_select_limit=${ALL})`
  // Behind the first word of the whole statement.
  const hinted = text.replace(/^\s*\(?\s*(SELECT|INSERT|UPDATE|DELETE)\b/, (verb, word: string) =>
    word === 'SELECT' ? `${verb} /*+ MAX_EXECUTION_TIME(${time}) ${settings} */` : `${verb} /*+ ${settings} */`,
  )
  return forMariadb + hinted
}
