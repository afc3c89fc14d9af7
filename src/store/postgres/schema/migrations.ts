import type { Migration } from './migration.ts'
import { createOutbox } from './migrations/0001-create-outbox.ts'
import { createInbox } from './migrations/0002-create-inbox.ts'
import { publishBySql } from './migrations/0003-publish-by-sql.ts'
import { operatorMoves } from './migrations/0004-operator-moves.ts'
import { pinSearchPath } from './migrations/0005-pin-search-path.ts'
import { destinations } from './migrations/0006-destinations.ts'
import { captureAsTold } from './migrations/0007-capture-as-told.ts'
import { operators } from './migrations/0008-operators.ts'
import { undo } from './migrations/0009-undo.ts'
import { roomToSettle } from './migrations/0010-room-to-settle.ts'
import { history } from './migrations/0011-history.ts'
import { rates } from './migrations/0012-rates.ts'
import { duties } from './migrations/0013-duties.ts'
import { cheaperWakeUp } from './migrations/0014-cheaper-wake-up.ts'
import { partitions } from './migrations/0015-partitions.ts'
import { causes } from './migrations/0016-causes.ts'

/** All steps, in order. Append only; from step 16 on each must know that the events table may be partitioned (decision 0137). */
export const MIGRATIONS: readonly Migration[] = [
  createOutbox,
  createInbox,
  publishBySql,
  operatorMoves,
  pinSearchPath,
  destinations,
  captureAsTold,
  operators,
  undo,
  roomToSettle,
  history,
  rates,
  duties,
  cheaperWakeUp,
  partitions,
  causes,
]
