import type { Migration } from './migration.ts'
import { createOutbox } from './migrations/0001-create-outbox.ts'
import { createInbox } from './migrations/0002-create-inbox.ts'
import { publishBySql } from './migrations/0003-publish-by-sql.ts'
import { operatorMoves } from './migrations/0004-operator-moves.ts'
import { destinations } from './migrations/0005-destinations.ts'
import { operators } from './migrations/0006-operators.ts'
import { undo } from './migrations/0007-undo.ts'
import { history } from './migrations/0008-history.ts'
import { rates } from './migrations/0009-rates.ts'
import { duties } from './migrations/0010-duties.ts'
import { causes } from './migrations/0011-causes.ts'

/** All steps, in order. Append only. */
export const MIGRATIONS: readonly Migration[] = [
  createOutbox,
  createInbox,
  publishBySql,
  operatorMoves,
  destinations,
  operators,
  undo,
  history,
  rates,
  duties,
  causes,
]
