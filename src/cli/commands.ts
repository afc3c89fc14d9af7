import type { Command } from './command.ts'
import { admin } from './commands/admin.ts'
import { audit } from './commands/audit.ts'
import { breaker } from './commands/breaker.ts'
import { capture } from './commands/capture.ts'
import { correct } from './commands/correct.ts'
import { deadLetters } from './commands/dead-letters.ts'
import { demo } from './commands/demo.ts'
import { doctor } from './commands/doctor.ts'
import { health } from './commands/health.ts'
import { init } from './commands/init.ts'
import { keys } from './commands/keys.ts'
import { list } from './commands/list.ts'
import { migrate } from './commands/migrate.ts'
import { cancel, replay, requeue, reschedule, skip } from './commands/moves.ts'
import { operations } from './commands/operations.ts'
import { partition } from './commands/partition.ts'
import { pause, resume } from './commands/pause.ts'
import { publish } from './commands/publish.ts'
import { purge } from './commands/purge.ts'
import { show } from './commands/show.ts'
import { stats } from './commands/stats.ts'
import { tail } from './commands/tail.ts'
import { testEvent } from './commands/test-event.ts'
import { top } from './commands/top.ts'
import { undo } from './commands/undo.ts'
import { worker } from './commands/worker.ts'

/** The commands, in the order of the help. */
export const commands: readonly Command[] = [
  demo,
  init,
  migrate,
  partition,
  worker,
  publish,
  list,
  show,
  keys,
  tail,
  requeue,
  skip,
  cancel,
  reschedule,
  replay,
  correct,
  stats,
  top,
  health,
  doctor,
  pause,
  resume,
  testEvent,
  breaker,
  operations,
  audit,
  undo,
  purge,
  deadLetters,
  capture,
  admin,
]
