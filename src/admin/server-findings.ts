import { countOf, formatDuration } from '../foundation/for-people.ts'
import type { DeadRows, OpenTransaction, ServerLook } from '../store/server-look.ts'
import type { Finding } from './finding.ts'

/** Fewer dead rows are in every table that is used. */
const FEW_DEAD = 20_000

/** What the server says of itself, as far as it matters to an outbox. Pure. */
export function serverFindings(server: ServerLook): readonly Finding[] {
  const { readOnly, openTransactions = [], deadRows, autovacuumOff } = server
  return [
    ...(readOnly === true ? [cannotWrite] : []),
    ...openTransactions.map(longTransaction),
    ...(deadRows && deadRows.dead > FEW_DEAD && deadRows.dead > deadRows.live ? [dead(deadRows)] : []),
    ...(autovacuumOff === undefined ? [] : [noAutovacuum(autovacuumOff)]),
  ]
}

const cannotWrite: Finding = {
  code: 'server-read-only',
  level: 'wrong',
  message:
    'the server accepts no writes: it is a standby, or was set read-only; nothing can be published or delivered there',
  cure: 'give the address of the primary, or promote this one',
}

function longTransaction({ who, age, end }: OpenTransaction): Finding {
  return {
    code: 'long-transaction',
    level: 'advice',
    message: `a transaction has been open for ${formatDuration(age)} (${who}): dead rows of events delivered since cannot be cleaned up, and each query of the table costs more`,
    cure: `end it where it was begun, or: ${end};`,
  }
}

function dead({ dead: count, live, cleanedAt, mend }: DeadRows): Finding {
  const when = cleanedAt === null ? 'never cleaned' : `last cleaned ${cleanedAt.toISOString()}`
  return {
    code: 'dead-rows',
    level: 'advice',
    message: `about ${countOf(count, 'dead row')} beside ${countOf(live, 'live one')}, ${when}: the table is larger than it need be, and slower`,
    cure: `${mend}; (and see whether a transaction is open for long)`,
  }
}

function noAutovacuum(mend: string): Finding {
  return {
    code: 'autovacuum-off',
    level: 'advice',
    message: 'autovacuum is switched off for the events table: dead rows stay, and the table only grows',
    cure: `${mend};`,
  }
}
