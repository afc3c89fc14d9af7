import type { JSX } from 'preact'
import { useEffect, useId, useLayoutEffect, useRef, useState } from 'preact/hooks'
import { act } from '../api/act.ts'
import { post } from '../api/ask.ts'
import { dryRun, move, resultText, type Target, VERBS } from '../api/moves.ts'
import { asProblem, type Problem } from '../api/problem.ts'
import { has } from '../api/session.ts'
import type { ActionAnswer, ActionName, DryRunAnswer, OperationRow } from '../api/types.ts'
import { go } from '../place/place.ts'
import { countText, manyText, numberText } from '../words/number.ts'
import { Broken } from './asked.tsx'
import { Dialog } from './dialog.tsx'
import type { Toast } from './toasts.tsx'

interface Props {
  readonly name: ActionName
  readonly target: Target
  readonly onClose: () => void
  readonly onDone: (text: string, undo: Toast['action']) => void
}

/** From so many on, the number must be typed. */
const MANY = 100
/** What one call moves at most: more is for an operation, which any worker carries out. */
const ONE_CALL = 1_000

const WHAT_HAPPENS: Readonly<Record<ActionName, string>> = {
  requeue:
    'They are sent again, in the order of their keys, with all their retries. Fix the cause first, or they fail again.',
  replay:
    'They are sent again, with the same ids. An inbox handles none of them twice; a consumer without one does. This cannot be undone.',
  skip: 'They stay failed, and what waits behind them goes on without them.',
  cancel: 'They are never sent, unless they are requeued.',
  reschedule: 'Their due time changes.',
  delete: 'They are gone, and not archived. This cannot be undone.',
}

/** Dry run, confirmation, progress: for everything that matches, or what one click must not do. */
export function Bulk({ name, target, onClose, onDone }: Props): JSX.Element {
  const [found, setFound] = useState<DryRunAnswer>()
  const [problem, setProblem] = useState<Problem>()
  const [turn, setTurn] = useState(0)
  const [typed, setTyped] = useState('')
  const [reason, setReason] = useState('')
  const [done, setDone] = useState<number>()
  const controller = useRef<AbortController | undefined>(undefined)
  const ids = { word: useId(), why: useId() }
  const [verb, past] = VERBS[name]
  const question = JSON.stringify(target)

  useEffect(() => {
    const asking = new AbortController()
    setProblem(undefined)
    dryRun(name, JSON.parse(question) as Target, undefined, asking.signal).then(setFound, (thrown: unknown) => {
      if (!asking.signal.aborted) setProblem(asProblem(thrown))
    })
    return () => asking.abort()
  }, [name, question, turn])
  useEffect(() => () => controller.current?.abort(), [])

  // The number is what is asked for next: whoever has only a keyboard is led there.
  const field = useRef<HTMLInputElement>(null)
  useLayoutEffect(() => {
    if (found !== undefined) field.current?.focus()
  }, [found])

  const run = async (): Promise<void> => {
    if ('q' in target && has('operations') && (found?.count ?? 0) > ONE_CALL) {
      const body = { do: name, q: target.q, ...(reason === '' ? {} : { reason }) }
      const operation = await post<OperationRow>('operations', body).catch((thrown: unknown) => {
        // Of a filter that the database cannot compare: call by call, then.
        if (asProblem(thrown).code === 'INVALID_FILTER') return undefined
        throw thrown
      })
      if (operation !== undefined) {
        onClose()
        return go(`operations/${operation.id}`)
      }
    }
    const results: ActionAnswer['results'][number][] = []
    let moved = 0
    controller.current = new AbortController()
    let after: string | undefined
    for (let left = 1; left > 0 && !controller.current.signal.aborted; ) {
      setDone(moved)
      const answer = await move(name, target, { reason, ...(after === undefined ? {} : { after }) })
      moved += answer.moved
      results.push(...answer.results)
      after = answer.goOn ?? undefined
      // A call that moves nothing and looks no further would be repeated for ever.
      left = after !== undefined ? 1 : answer.moved === 0 ? 0 : answer.left
    }
    const undo =
      name === 'cancel' && 'ids' in target ? { text: 'Undo', run: () => void requeueAgain(target) } : undefined
    onDone(resultText(name, { moved, results }), undo)
  }
  const start = (): void => {
    run().catch((thrown: unknown) => {
      setDone(undefined)
      setProblem(asProblem(thrown))
    })
  }

  const total = found === undefined ? '' : countText(found)
  const word = found !== undefined && (found.count >= MANY || name === 'delete') ? String(found.count) : undefined
  const isReady =
    found !== undefined && found.count > 0 && (word === undefined || typed.replace(/[\s.,’'+]/g, '') === word)
  const isFinal = name === 'delete'
  return (
    <Dialog
      title={found === undefined ? `${verb}: counting what matches` : `${verb} ${manyText(found, 'event')}?`}
      onClose={onClose}
    >
      {problem === undefined ? null : <Broken problem={problem} what="what matches" again={() => setTurn(turn + 1)} />}
      {found === undefined ? (
        problem === undefined ? (
          <progress aria-label="Counting" />
        ) : null
      ) : (
        <>
          <p class="soft">{found.count === 0 ? 'No matching event can be moved this way.' : WHAT_HAPPENS[name]}</p>
          <p class="small quiet">
            Counted just now; nothing was changed. {manyText(found.keys, 'key')} {found.keys.count === 1 ? 'is' : 'are'}{' '}
            concerned.
            {found.unchanged === null || found.unchanged === 0
              ? ''
              : ` ${numberText(found.unchanged)} more match, but their status does not allow it.`}
          </p>
        </>
      )}
      {done === undefined ? (
        <form
          class="stack stack--tight"
          onSubmit={(event) => {
            event.preventDefault()
            if (isReady) start()
          }}
        >
          {word === undefined ? null : (
            <div class="field">
              <label for={ids.word}>
                Type <b>{word}</b> to go on
              </label>
              <input
                ref={field}
                class="input"
                id={ids.word}
                inputMode="numeric"
                autocomplete="off"
                value={typed}
                onInput={(event) => setTyped(event.currentTarget.value)}
              />
            </div>
          )}
          <div class="field">
            <label for={ids.why}>Why (for the audit)</label>
            <input
              class="input"
              id={ids.why}
              autocomplete="off"
              value={reason}
              onInput={(event) => setReason(event.currentTarget.value)}
            />
          </div>
          <footer>
            <button type="button" class="btn" onClick={onClose}>
              Leave them
            </button>
            <button type="submit" class={`btn ${isFinal ? 'btn--bad' : 'btn--main'}`} disabled={!isReady}>
              {verb} {found === undefined ? '' : manyText(found, 'event')}
            </button>
          </footer>
        </form>
      ) : (
        <div class="stack stack--tight">
          <progress
            aria-label="Progress"
            {...(found?.more === true ? {} : { max: Math.max(1, found?.count ?? 1), value: done })}
          />
          <p class="soft" role="status">
            <b>{numberText(done)}</b> of {total} {past}
          </p>
          <footer>
            <button type="button" class="btn" onClick={() => controller.current?.abort()}>
              Stop here
            </button>
          </footer>
        </div>
      )}
    </Dialog>
  )
}

const requeueAgain = (target: Target): Promise<boolean> =>
  act('The undo', async () => resultText('requeue', await move('requeue', target)))
