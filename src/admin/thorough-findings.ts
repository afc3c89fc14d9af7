import { countOf, formatBytes, formatDuration } from '../foundation/for-people.ts'
import type { Finding } from './finding.ts'
import type { ThoroughLook } from './thorough-look.ts'

/** What a thorough look means. Pure. */
export function thoroughFindings({ drift = [], notToldOfCommits, overdue, inbox }: ThoroughLook): readonly Finding[] {
  return [
    ...(drift.length === 0 ? [] : [schemaDrift(drift)]),
    ...(notToldOfCommits === undefined ? [] : [commitsNotTold(notToldOfCommits)]),
    ...(overdue === undefined ? [] : [retentionBehind(overdue)]),
    ...(inbox === undefined ? [] : [largeInbox(inbox)]),
  ]
}

function schemaDrift(what: readonly string[]): Finding {
  return {
    code: 'schema-drift',
    level: 'wrong',
    message: `${what.join(', ')} ${what.length === 1 ? 'is' : 'are'} missing, or not as migrate made ${what.length === 1 ? 'it' : 'them'}: somebody, or a tool, dropped or changed what it did not know`,
    cure: 'broadcaster migrate',
    fix: 'migrate',
  }
}

function commitsNotTold(why: string): Finding {
  return {
    code: 'commits-not-told',
    level: 'advice',
    message: `workers do not learn of commits, and look for events by themselves every \`pollInterval\`: ${why}`,
    cure: 'give the store `listen: { url }` past the pooler, a pool with a connection more, or `listen: false` if that is meant',
  }
}

function retentionBehind({ status, age, kept }: NonNullable<ThoroughLook['overdue']>): Finding {
  return {
    code: 'retention-behind',
    level: 'advice',
    message: `a ${status} event has been there for ${formatDuration(age)}, and is kept for ${formatDuration(kept)}: no clean-up has caught up`,
    cure: 'see the logs of the workers for what keeps them from deleting, and whether one runs with these options',
  }
}

function largeInbox({ bytes, rows }: NonNullable<ThoroughLook['inbox']>): Finding {
  const held = rows === null ? '' : `, with about ${countOf(rows, 'row')}`
  return {
    code: 'inbox-large',
    level: 'advice',
    message: `the inbox takes ${formatBytes(bytes)}${held}: each message that is handled looks there, and adds one`,
    cure: 'keep entries for a shorter time, yet longer than any message may come again: `retention: { inbox: ... }` of a worker, which must run for it',
  }
}
