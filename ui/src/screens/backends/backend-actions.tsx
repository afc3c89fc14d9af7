import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import { act } from '../../api/act.ts'
import { post } from '../../api/ask.ts'
import { has } from '../../api/session.ts'
import type { BackendActionAnswer } from '../../api/types.ts'
import { Confirm } from '../../parts/dialog.tsx'
import { DoButton } from '../../parts/do-button.tsx'
import { say } from '../../parts/toasts.tsx'
import { go } from '../../place/place.ts'
import { manyText } from '../../words/number.ts'

interface Props {
  readonly backend: string
  readonly kind?: 'main' | 'plain'
  readonly small?: boolean
  readonly onDone?: () => void
}

const call = (backend: string, what: string, body: object = {}): Promise<BackendActionAnswer> =>
  post(`backends/${encodeURIComponent(backend)}/${what}`, body)

const NO_PAUSE = 'this server cannot pause backends'

export function Resume({ backend, kind = 'main', small = false, onDone }: Props): JSX.Element {
  const [isBusy, setIsBusy] = useState(false)
  const resume = async (): Promise<void> => {
    setIsBusy(true)
    await act(`Resuming ${backend}`, async () => {
      await call(backend, 'resume')
      return `${backend} is resumed`
    })
    setIsBusy(false)
    onDone?.()
  }
  return (
    <DoButton
      icon="resume"
      kind={kind}
      small={small}
      isBusy={isBusy}
      whyNot={has('pause') ? undefined : NO_PAUSE}
      onDo={() => void resume()}
    >
      Resume {backend}
    </DoButton>
  )
}

/** Asks why: whoever finds it paused wants to know. */
export function Pause({ backend, small = true, onDone }: Props): JSX.Element {
  const [isOpen, setIsOpen] = useState(false)
  const undo = async (): Promise<void> => {
    await act(`Resuming ${backend}`, async () => {
      await call(backend, 'resume')
      return `${backend} is resumed`
    })
    onDone?.()
  }
  const pause = async (reason: string): Promise<void> => {
    setIsOpen(false)
    const done = await act(`Pausing ${backend}`, async () => {
      await call(backend, 'pause', { reason })
      return undefined
    })
    if (done) say({ text: `${backend} is paused: its events wait`, action: { text: 'Undo', run: () => void undo() } })
    onDone?.()
  }
  return (
    <>
      <DoButton icon="paused" small={small} whyNot={has('pause') ? undefined : NO_PAUSE} onDo={() => setIsOpen(true)}>
        Pause…
      </DoButton>
      {isOpen ? (
        <Confirm
          title={`Pause ${backend}?`}
          button={`Pause ${backend}`}
          leave="Leave it"
          onConfirm={(reason) => void pause(reason)}
          onClose={() => setIsOpen(false)}
        >
          All workers stop sending to it within a second. Its events wait, in their order, until it is resumed.
        </Confirm>
      ) : null}
    </>
  )
}

/** Tries at once what a breaker would try later. */
export function CloseBreaker({ backend, small = false, onDone }: Props): JSX.Element {
  const [isBusy, setIsBusy] = useState(false)
  const close = async (): Promise<void> => {
    setIsBusy(true)
    await act(`Closing the breaker of ${backend}`, async () => {
      const { closed = 0 } = await call(backend, 'close-breaker')
      return closed === 0
        ? `No breaker of ${backend} was open`
        : `${manyText(closed, 'breaker')} of ${backend} closed: its events are tried now`
    })
    setIsBusy(false)
    onDone?.()
  }
  return (
    <DoButton small={small} isBusy={isBusy} onDo={() => void close()}>
      Try now
    </DoButton>
  )
}

export function TestEvent({ backend, small = true }: Props): JSX.Element {
  const [isBusy, setIsBusy] = useState(false)
  const send = async (): Promise<void> => {
    setIsBusy(true)
    await act(`A test event to ${backend}`, async () => {
      const { eventId } = await call(backend, 'test-event')
      const action =
        eventId === undefined ? undefined : { text: 'See it', run: () => go(`events/${encodeURIComponent(eventId)}`) }
      say({ text: `A test event is on its way to ${backend}`, action })
      return undefined
    })
    setIsBusy(false)
  }
  return (
    <DoButton
      icon="send"
      small={small}
      isBusy={isBusy}
      whyNot={has('testEvent') ? undefined : 'this server cannot send test events'}
      onDo={() => void send()}
    >
      Send a test event
    </DoButton>
  )
}
