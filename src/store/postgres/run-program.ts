import { type Program, runProgram } from '../program.ts'
import { numberedText } from '../statement.ts'
import type { ClientTransaction, SqlValue } from './client.ts'

/** Runs a program of a publish on a transaction of our own. */
export function runOn<Result>(tx: ClientTransaction, program: Program<Result>): Promise<Result> {
  return runProgram(program, (statement) => tx.query(numberedText(statement), statement.values as readonly SqlValue[]))
}
