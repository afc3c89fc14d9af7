import type { AttemptRow, AuditRow, EventAnswer } from '../../api/types.ts'
import type { IconName } from '../../parts/icon.tsx'
import type { Tone } from '../../parts/state.tsx'
import { manyText } from '../../words/number.ts'

/** A step in the life of an event. */
export interface Step {
  readonly at: string
  readonly icon: IconName
  readonly tone: Tone
  readonly title: string
  readonly text?: string
  /** Text for programs and errors, in a fixed font. */
  readonly error?: string
  readonly note?: string
}

/** What the row and the audit hold, in the order of time: nothing is invented. Pure. */
export function storyOf({ event, attempts, audit }: EventAnswer): readonly Step[] {
  const steps: Step[] = [
    {
      at: event.createdAt,
      icon: 'events',
      tone: 'plain',
      title: 'Stored',
      text: `in a transaction of ${event.source}`,
    },
    ...attempts.map((attempt, index) => ofAttempt(attempt, index, attempts.length, event.status)),
    ...audit.map(ofAudit),
  ]
  if (event.publishedAt !== null) {
    steps.push({
      at: event.publishedAt,
      icon: 'ok',
      tone: 'ok',
      title: 'Published',
      text: `${event.backend} acknowledged it`,
    })
  }
  return steps.toSorted((a, b) => Date.parse(a.at) - Date.parse(b.at))
}

function ofAttempt({ at, worker, error }: AttemptRow, index: number, count: number, status: string): Step {
  const isLast = index === count - 1
  const title = isLast && status === 'failed' ? 'Last attempt: failed for good' : 'An attempt did not deliver it'
  return {
    at,
    icon: isLast && status === 'failed' ? 'failed' : 'requeue',
    tone: isLast && status === 'failed' ? 'bad' : 'warn',
    title,
    error,
    note: `by ${worker}`,
  }
}

function ofAudit({ at, who, what, reason, outcome }: AuditRow): Step {
  return {
    at,
    icon: 'person',
    tone: 'calm',
    title: `${what.charAt(0).toUpperCase()}${what.slice(1)} by ${who}`,
    ...(reason === null || reason === '' ? {} : { text: `“${reason}”` }),
    ...(outcome === 'done' ? {} : { note: outcome }),
  }
}

/** What becomes of it now. Pure. */
export function nextOf(
  { event, sameKey }: EventAnswer,
  now: number,
): { readonly icon: IconName; readonly tone: Tone; readonly title: string; readonly text: string } | undefined {
  const behind = sameKey?.waitingBehind.count
    ? ` ${manyText(sameKey.waitingBehind, 'later event')} of its key wait behind it.`
    : ''
  if (event.status === 'failed')
    return {
      icon: 'waits',
      tone: 'plain',
      title: 'Waits for you',
      text: `Requeue, skip or cancel it.${event.blocked ? behind : ''}`,
    }
  if (event.status === 'published' || event.status === 'cancelled') return undefined
  if (event.blocked)
    return {
      icon: 'blocked',
      tone: 'held',
      title: 'Waits behind its key',
      text: 'An earlier event of its key failed for good. It goes on once that is requeued, skipped or cancelled.',
    }
  if (Date.parse(event.dueAt) > now)
    return {
      icon: 'scheduled',
      tone: 'plain',
      title: event.status === 'retry' ? 'Tried again when it is due' : 'Sent when it is due',
      text: 'It goes on by itself.',
    }
  return { icon: 'running', tone: 'calm', title: 'Due now', text: 'A worker takes it, in the order of its key.' }
}
