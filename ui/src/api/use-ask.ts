import { useCallback, useEffect, useRef, useState } from 'preact/hooks'
import { ask, type Query } from './ask.ts'
import { asProblem, type Problem } from './problem.ts'

/** A question to the server, and how far it is. */
export interface Asked<Answer> {
  /** The last good answer, also while it is asked again or after that failed. */
  readonly answer: Answer | undefined
  readonly problem: Problem | undefined
  readonly isLoading: boolean
  /** It has taken more than two seconds. */
  readonly isSlow: boolean
  /** When the answer came, in milliseconds of this page. */
  readonly at: number
  again(): void
  /** After an action: at once, and once more when the server's own numbers are new. */
  againSoon(): void
  /** Gives up on the question that is on its way. */
  stop(): void
}

/** Slower than this, a page says what it waits for. */
const SLOW = 2_000

/** What several people ask for is answered with numbers that are up to a second old; in milliseconds. */
const SERVER_OLD = 1_200

const NOTHING = { answer: undefined, problem: undefined, isLoading: true, isSlow: false, at: 0 }

/**
 * Asks when the page is shown and whenever the question changes. The answer to an older question is never shown for a newer one.
 * `every` asks again after so many milliseconds while the page is visible. `path` undefined = nothing to ask.
 */
export function useAsk<Answer>(path: string | undefined, query: Query = {}, every?: number): Asked<Answer> {
  const [state, setState] = useState<Omit<Asked<Answer>, 'again' | 'againSoon' | 'stop'>>(NOTHING)
  const [turn, setTurn] = useState(0)
  const question = path === undefined ? undefined : JSON.stringify([path, query])
  const last = useRef<string | undefined>(undefined)
  const running = useRef<AbortController | undefined>(undefined)
  const again = useCallback(() => setTurn((one) => one + 1), [])
  const againSoon = useCallback(() => {
    again()
    setTimeout(again, SERVER_OLD)
  }, [again])
  const stop = useCallback(() => running.current?.abort(), [])

  useEffect(() => {
    if (question === undefined) return
    const isNew = last.current !== question
    last.current = question
    setState((old) => (isNew ? NOTHING : { ...old, isLoading: true }))
    const controller = new AbortController()
    running.current = controller
    const slow = setTimeout(() => setState((old) => ({ ...old, isSlow: true })), SLOW)
    const done = (change: Partial<Asked<Answer>>): void => {
      clearTimeout(slow)
      if (running.current === controller) setState((old) => ({ ...old, isLoading: false, isSlow: false, ...change }))
    }
    const [asked, with_] = JSON.parse(question) as [string, Query]
    ask<Answer>(asked, with_, controller.signal).then(
      (answer) => done({ answer, problem: undefined, at: performance.now() }),
      (thrown: unknown) => done(controller.signal.aborted ? {} : { problem: asProblem(thrown) }),
    )
    return () => {
      running.current = undefined
      clearTimeout(slow)
      controller.abort()
    }
  }, [question, turn])

  useEffect(() => {
    if (every === undefined) return
    const timer = setInterval(() => {
      if (!document.hidden) again()
    }, every)
    return () => clearInterval(timer)
  }, [every, again])

  return { ...state, again, againSoon, stop }
}
