import type { ComponentChildren, JSX } from 'preact'
import { useAfter } from '../api/clock.ts'
import type { Problem } from '../api/problem.ts'
import { session } from '../api/session.ts'
import type { Asked } from '../api/use-ask.ts'
import { Call } from './call.tsx'
import { Empty } from './empty.tsx'

interface Props<Answer> {
  readonly asked: Asked<Answer>
  /** What is asked for: "the failures". */
  readonly what: string
  /** Lines of the skeleton. */
  readonly lines?: number
  readonly children: (answer: Answer) => ComponentChildren
}

/** What a question looks like while it is asked, when it is slow, when it is answered, and when it cannot be. */
export function Answered<Answer>({ asked, what, lines = 6, children }: Props<Answer>): JSX.Element {
  const { answer, problem, isLoading, isSlow } = asked
  return (
    <>
      {isSlow && isLoading ? (
        <div class="in pad">
          <Call
            tone="warn"
            level={3}
            role="status"
            title={`Still reading ${what}`}
            buttons={
              <button type="button" class="btn btn--small" onClick={asked.stop}>
                Stop
              </button>
            }
          >
            The database takes longer than usual. Nothing else waits for this page.
          </Call>
        </div>
      ) : null}
      {problem === undefined ? null : (
        <Broken problem={problem} what={what} again={asked.again} hasOld={answer !== undefined} />
      )}
      {answer !== undefined ? (
        children(answer)
      ) : problem !== undefined ? null : isLoading ? (
        <Bones what={what} lines={lines} />
      ) : (
        <Empty icon="cancelled" title="Stopped">
          <p>It was stopped before an answer came.</p>
          <button type="button" class="btn" onClick={asked.again}>
            Ask again
          </button>
        </Empty>
      )}
    </>
  )
}

const WIDTHS = ['bone--l', 'bone--m', 'bone--l', 'bone--s']

/** The layout stands already, so nothing jumps; seen after 300 ms. */
export function Bones({ what, lines = 6 }: { readonly what: string; readonly lines?: number }): JSX.Element {
  const shown = useAfter(300)
  return (
    <div class={`in pad bones${shown ? '' : ' bones--not-yet'}`} aria-busy="true">
      <p class="vh" role="status">
        Loading {what}
      </p>
      {Array.from({ length: lines }, (_, index) => (
        <span key={String(index)} class={`bone ${WIDTHS[index % WIDTHS.length]}`} />
      ))}
    </div>
  )
}

interface BrokenProps {
  readonly problem: Problem
  readonly what: string
  readonly again: () => void
  readonly hasOld?: boolean
}

/** What could not be done, the code, what happens meanwhile, and what to do. */
export function Broken({ problem, what, again, hasOld = false }: BrokenProps): JSX.Element {
  if (problem.status === 403) return <Forbidden problem={problem} what={what} />
  if (problem.code === 'NOT_THERE') return <NotThere what={what} detail={problem.message} />
  return (
    <div class="in pad">
      <Call
        tone="bad"
        level={3}
        role="alert"
        icon="wrong"
        title={`${what.charAt(0).toUpperCase()}${what.slice(1)} could not be read`}
        buttons={
          <button type="button" class="btn btn--small" onClick={again}>
            Try again
          </button>
        }
      >
        <code>{problem.code}</code> {problem.message} {hasOld ? 'Below is the last answer.' : ''}
      </Call>
    </div>
  )
}

/** Which right is missing, and who gives it. */
export function Forbidden({ problem, what }: { readonly problem: Problem; readonly what: string }): JSX.Element {
  const { user, role } = session.value ?? {}
  return (
    <Empty icon="blocked" title={`You have no right to see ${what}`}>
      <p>{problem.message}</p>
      <p>
        You are {user ?? 'not signed in'}
        {role == null ? (
          ''
        ) : (
          <>
            , as <b>{role}</b>
          </>
        )}
        . Rights are given by whoever configured this admin.
      </p>
    </Empty>
  )
}

/** A feature that this server or this store does not have. */
export function NotThere({ what, detail }: { readonly what: string; readonly detail?: string }): JSX.Element {
  return (
    <Empty icon="cancelled" title={`This server does not keep ${what}`}>
      <p>{detail === undefined || detail === '' ? 'It has no such feature, or it is switched off.' : detail}</p>
    </Empty>
  )
}
