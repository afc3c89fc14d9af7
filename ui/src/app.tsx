import type { JSX } from 'preact'
import { isLoggedOut, session } from './api/session.ts'
import { Toasts } from './parts/toasts.tsx'
import { place } from './place/place.ts'
import { Audit } from './screens/audit/audit.tsx'
import { Backends } from './screens/backends/backends.tsx'
import { Consumers } from './screens/consumers/consumers.tsx'
import { Event } from './screens/event/event.tsx'
import { Events } from './screens/events/events.tsx'
import { Failures } from './screens/failures/failures.tsx'
import { Inbox } from './screens/inbox/inbox.tsx'
import { Keys } from './screens/keys/keys.tsx'
import { Login } from './screens/login/login.tsx'
import { NoSuchPage } from './screens/no-such-page.tsx'
import { Operation } from './screens/operations/operation.tsx'
import { Operations } from './screens/operations/operations.tsx'
import { Wizard } from './screens/operations/wizard.tsx'
import { Overview } from './screens/overview/overview.tsx'
import { Scheduled } from './screens/scheduled/scheduled.tsx'
import { Storage } from './screens/storage/storage.tsx'
import { Help } from './shell/help.tsx'
import { LiveLost } from './shell/live-lost.tsx'
import { Quick } from './shell/quick.tsx'
import { Side } from './shell/side.tsx'
import { Top } from './shell/top.tsx'

export function App(): JSX.Element {
  if (isLoggedOut.value || place.value.screen === 'login') return <Login />
  const outbox = session.value?.outbox ?? ''
  return (
    <>
      <button type="button" class="skip" onClick={toMain}>
        To the content
      </button>
      <div class="app">
        <Side />
        <div>
          <Top />
          {/* Another outbox is another page: nothing of the last one stays. */}
          <main id="main" tabIndex={-1} key={outbox}>
            <LiveLost />
            <Screen />
          </main>
        </div>
      </div>
      <Quick />
      <Toasts />
      <Help />
    </>
  )
}

/** A screen of one address, and what stands for a part of it: `/events/<id>`. */
const SCREENS: Readonly<Record<string, readonly [all: () => JSX.Element, one?: (id: string) => JSX.Element]>> = {
  '': [() => <Overview />],
  events: [() => <Events />, (id) => <Event id={id} key={id} />],
  failures: [() => <Failures />],
  keys: [() => <Keys />],
  backends: [() => <Backends />],
  scheduled: [() => <Scheduled />],
  operations: [() => <Operations />, (id) => (id === 'new' ? <Wizard /> : <Operation id={id} key={id} />)],
  audit: [() => <Audit />],
  consumers: [() => <Consumers />],
  inbox: [() => <Inbox />],
  storage: [() => <Storage />],
}

function Screen(): JSX.Element {
  const {
    screen,
    rest: [id, ...deeper],
  } = place.value
  const [all, one] = Object.hasOwn(SCREENS, screen) ? (SCREENS[screen] ?? []) : []
  if (all === undefined || deeper.length > 0) return <NoSuchPage />
  if (id === undefined) return all()
  return one?.(id) ?? <NoSuchPage />
}

/** No link: a fragment alone would lead to the base address. */
function toMain(): void {
  document.getElementById('main')?.focus()
}
