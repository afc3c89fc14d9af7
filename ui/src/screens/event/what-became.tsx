import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import { act } from '../../api/act.ts'
import { now } from '../../api/clock.ts'
import { move, resultText } from '../../api/moves.ts'
import type { ActionName, EventAnswer } from '../../api/types.ts'
import { Bulk } from '../../parts/bulk.tsx'
import { Call, type CallTone } from '../../parts/call.tsx'
import { DoButton } from '../../parts/do-button.tsx'
import type { IconName } from '../../parts/icon.tsx'
import { say } from '../../parts/toasts.tsx'
import { address, go } from '../../place/place.ts'
import { useKeys } from '../../shell/keyboard.ts'
import { eventState } from '../../words/event-state.ts'
import { manyText } from '../../words/number.ts'
import { Correct } from './correct.tsx'
import { Reschedule } from './reschedule.tsx'

interface Told {
  readonly tone: CallTone
  readonly icon: IconName
  readonly title: string
  readonly text: string
  readonly moves: readonly ActionName[]
}

/** What became of it, in a sentence, and what can be done. Pure. */
export function becameOf({ event, sameKey }: EventAnswer, at: number): Told {
  const behind =
    sameKey === null || sameKey.waitingBehind.count === 0
      ? ''
      : ` ${manyText(sameKey.waitingBehind, 'later event')} of its key wait behind it.`
  switch (eventState(event, at)) {
    case 'failed':
      return {
        tone: 'bad',
        icon: 'failed',
        title: event.blocked ? 'Failed for good; its key is blocked' : 'Failed for good',
        text: `${event.lastError || 'No error was stored.'}${event.blocked ? behind : ''}`,
        moves: event.blocked ? ['requeue', 'skip', 'cancel'] : ['requeue', 'cancel'],
      }
    case 'blocked':
      return {
        tone: 'held',
        icon: 'blocked',
        title: 'Waits behind a failed event of its key',
        text: 'It goes on once that event is requeued, skipped or cancelled.',
        moves: ['cancel'],
      }
    case 'retry':
      return {
        tone: 'warn',
        icon: 'requeue',
        title: `Tried ${event.retryCount} of ${event.maxRetries} times; goes on by itself`,
        text: event.lastError,
        moves: ['requeue', 'reschedule', 'cancel'],
      }
    case 'scheduled':
      return {
        tone: 'calm',
        icon: 'scheduled',
        title: 'Scheduled for later',
        text: 'It is sent when it is due.',
        moves: ['reschedule', 'cancel'],
      }
    case 'published':
      return {
        tone: 'ok',
        icon: 'ok',
        title: 'Published',
        text: `${event.backend} acknowledged it.`,
        moves: ['replay'],
      }
    case 'cancelled':
      return {
        tone: 'calm',
        icon: 'cancelled',
        title: 'Cancelled: it is never sent',
        text: 'A requeue makes it pending again.',
        moves: ['requeue'],
      }
    case 'processing':
      return {
        tone: 'calm',
        icon: 'running',
        title: 'It is being sent',
        text: 'Its worker waits for the acknowledgement.',
        moves: ['cancel'],
      }
    default:
      return {
        tone: 'calm',
        icon: 'waits',
        title: 'Due, and not delivered yet',
        text: 'A worker takes it, in the order of its key.',
        moves: ['reschedule', 'cancel'],
      }
  }
}

const ICONS: Readonly<Record<ActionName, IconName>> = {
  requeue: 'requeue',
  skip: 'skip',
  cancel: 'cancelled',
  replay: 'send',
  reschedule: 'scheduled',
  delete: 'close',
}
const NAMES: Readonly<Record<ActionName, string>> = {
  requeue: 'Requeue',
  skip: 'Skip',
  cancel: 'Cancel…',
  replay: 'Replay…',
  reschedule: 'Reschedule…',
  delete: 'Delete…',
}

export function WhatBecame({
  answer,
  again,
}: {
  readonly answer: EventAnswer
  readonly again: () => void
}): JSX.Element {
  const [asking, setAsking] = useState<ActionName | 'correct'>()
  const { tone, icon, title, text, moves } = becameOf(answer, now.value)
  const ids = [answer.event.id]
  const run = async (name: ActionName): Promise<void> => {
    if (name !== 'requeue' && name !== 'skip') return setAsking(name)
    await act(`The ${name}`, async () => resultText(name, await move(name, { ids })))
    again()
  }
  useKeys((key) => {
    if (key !== 'r' || !moves.includes('requeue')) return false
    void run('requeue')
    return true
  })
  const done = (said: string): void => {
    setAsking(undefined)
    say({ text: said })
    again()
  }
  return (
    <>
      <Call
        tone={tone}
        icon={icon}
        title={title}
        buttons={
          <>
            {moves.map((name, index) => (
              <DoButton
                key={name}
                icon={ICONS[name]}
                kind={index === 0 && tone === 'bad' ? 'main' : 'plain'}
                onDo={() => void run(name)}
              >
                {NAMES[name]}
              </DoButton>
            ))}
            {moves.includes('cancel') ? (
              <DoButton key="correct" onDo={() => setAsking('correct')}>
                Correct…
              </DoButton>
            ) : null}
          </>
        }
      >
        {text}
      </Call>
      {asking === undefined ? null : asking === 'correct' ? (
        <Correct
          event={answer.event}
          onClose={() => setAsking(undefined)}
          onDone={(id) => {
            done('Corrected: this is the event in its place')
            go(address(['events', id]))
          }}
        />
      ) : asking === 'reschedule' ? (
        <Reschedule
          id={answer.event.id}
          dueAt={answer.event.dueAt}
          onClose={() => setAsking(undefined)}
          onDone={done}
        />
      ) : (
        <Bulk name={asking} target={{ ids }} onClose={() => setAsking(undefined)} onDone={done} />
      )}
    </>
  )
}
