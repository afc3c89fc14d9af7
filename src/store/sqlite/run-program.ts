import type { SQLInputValue } from 'node:sqlite'
import { type Program, runProgramSync } from '../program.ts'
import { joinStatement } from '../statement.ts'
import type { Connection } from './connection.ts'

/** Runs a program of publish on our own connection. */
export function runOn<Result>(db: Connection, program: Program<Result>): Result {
  return runProgramSync(program, (statement) =>
    db.all(
      joinStatement(statement, () => '?'),
      ...(statement.values as readonly SQLInputValue[]),
    ),
  )
}
