import type { JSX } from 'preact'
import { act } from '../../api/act.ts'
import { post } from '../../api/ask.ts'
import type { OperationRow } from '../../api/types.ts'
import { undo } from '../../api/undo.ts'
import { DoButton } from '../../parts/do-button.tsx'
import type { StateName } from '../../parts/state.tsx'

/** The state of an operation, by its sign. Pure. */
export function stateOf({ state }: Pick<OperationRow, 'state'>): StateName {
  return state === 'cancelled' ? 'stopped' : state
}

interface Props {
  readonly row: OperationRow
  readonly again: () => void
}

const DONE = { pause: 'paused', resume: 'goes on', cancel: 'stopped' } as const

/** What can be done to an operation, as its state allows. */
export function OperationButtons({ row, again }: Props): JSX.Element | null {
  const run = async (what: keyof typeof DONE): Promise<void> => {
    await act(`The ${what} of operation ${row.id}`, async () => {
      await post(`operations/${row.id}/${what}`)
      return `Operation ${row.id} ${DONE[what]}`
    })
    again()
  }
  if (row.state === 'running') {
    return (
      <>
        <DoButton icon="paused" small onDo={() => void run('pause')}>
          Pause it
        </DoButton>
        <DoButton small onDo={() => void run('cancel')}>
          Stop it
        </DoButton>
      </>
    )
  }
  if (row.state === 'paused') {
    return (
      <>
        <DoButton icon="resume" small kind="main" onDo={() => void run('resume')}>
          Go on
        </DoButton>
        <DoButton small onDo={() => void run('cancel')}>
          Stop it
        </DoButton>
      </>
    )
  }
  const { audit } = row
  if (audit === null || row.done === 0 || !['requeue', 'cancel'].includes(row.do)) return null
  return (
    <DoButton small onDo={() => void undo(audit, row.do).then(again)}>
      Undo
    </DoButton>
  )
}
