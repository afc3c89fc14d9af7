import { type Program, runProgram } from '../program.ts'
import type { Row } from '../statement.ts'
import type { Runs } from './client.ts'
import { type SqlValue, sql } from './sql.ts'

/** Runs a program of publish on our own transaction. */
export function runOn<Result>(tx: Runs, program: Program<Result>): Promise<Result> {
  return runProgram(program, async ({ strings, values }) => {
    const template = Object.assign([...strings], { raw: strings })
    const rows: unknown = await tx.query(sql(template, ...(values as readonly SqlValue[])))
    // MySQL answers an INSERT with counts, MariaDB with the rows.
    return Array.isArray(rows) ? (rows as readonly Row[]) : []
  })
}
