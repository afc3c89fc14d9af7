import type { JSX } from 'preact'
import { post } from '../api/ask.ts'
import { now } from '../api/clock.ts'
import { askOnce, forgetStatus, live, openLive, status, switchLive } from '../api/live.ts'
import { loggedOut, session } from '../api/session.ts'
import { Icon } from '../parts/icon.tsx'
import { Time } from '../parts/time.tsx'
import { ownZone, switchZone, zone, zoneName, zoneOffset } from '../words/time.ts'
import { isHelpOpen } from './keyboard.ts'
import { switchTheme } from './theme.ts'

const WORDS = { on: 'Live', paused: 'Paused', lost: 'Not live' } as const

/** The bar above each page: which outbox, how live, whose zone, who. */
export function Top(): JSX.Element {
  const isPaused = live.value === 'paused'
  return (
    <header class="top">
      <Outbox />
      <span class="grow" />
      <span class="live" data-live={live.value}>
        <span class="dot" aria-hidden="true" />
        <b class="strong">{WORDS[live.value]}</b>
        <span class="quiet hide-s">
          <Time at={now.value} />
        </span>
      </span>
      <button
        type="button"
        class="btn btn--bare btn--icon hide-s"
        aria-pressed={isPaused}
        aria-label="Pause live updates"
        title={`${isPaused ? 'Resume' : 'Pause'} live updates (p)`}
        onClick={switchLive}
      >
        <Icon name={isPaused ? 'resume' : 'paused'} />
      </button>
      <button
        type="button"
        class="btn btn--bare hide-s"
        title={`Times are shown in ${zone.value === 'utc' ? 'UTC' : ownZone}; switch to ${zone.value === 'utc' ? ownZone : 'UTC'}`}
        onClick={switchZone}
      >
        {zoneName()}
        <span class="unit">{zoneOffset(now.value)}</span>
      </button>
      <button
        type="button"
        class="btn btn--bare btn--icon"
        aria-label="Switch between dark and light"
        title="Dark or light"
        onClick={switchTheme}
      >
        <Icon name="theme" />
      </button>
      <button
        type="button"
        class="btn btn--bare btn--icon hide-s"
        aria-label="Keyboard keys"
        title="Keyboard keys (?)"
        aria-haspopup="dialog"
        onClick={() => {
          isHelpOpen.value = true
        }}
      >
        ?
      </button>
      <Who />
    </header>
  )
}

/** Which outbox; a choice where there are several. */
function Outbox(): JSX.Element {
  const { outbox = '', outboxes = [] } = session.value ?? {}
  const choose = (name: string): void => {
    const old = session.peek()
    if (old === undefined) return
    session.value = { ...old, outbox: name }
    forgetStatus()
    void askOnce()
    openLive()
  }
  return (
    <div class="outbox">
      {outboxes.length > 1 ? (
        <select
          class="input"
          aria-label="Outbox"
          value={outbox}
          onChange={(event) => choose(event.currentTarget.value)}
        >
          {outboxes.map((name) => (
            <option key={name}>{name}</option>
          ))}
        </select>
      ) : (
        <b>{outbox}</b>
      )}
      <span class="hide-s">{status.value?.description}</span>
    </div>
  )
}

function Who(): JSX.Element | null {
  const { user, role, login } = session.value ?? {}
  if (user == null) return null
  const logOut = async (): Promise<void> => {
    await post('logout').catch(() => undefined)
    session.value = undefined
    loggedOut()
  }
  const inner = (
    <>
      <Icon name="person" />
      {user}
      <span class="unit">{role}</span>
    </>
  )
  if (login !== 'token') return <span class="who hide-s">{inner}</span>
  return (
    <button
      type="button"
      class="btn btn--bare hide-s"
      title={`${user}, ${role}: sign out`}
      onClick={() => void logOut()}
    >
      {inner}
    </button>
  )
}
