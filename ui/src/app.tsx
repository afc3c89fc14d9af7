import type { JSX } from 'preact'
import { isLoggedOut, session } from './api/session.ts'
import { Toasts } from './parts/toasts.tsx'
import { place } from './place/place.ts'
import { Login } from './screens/login/login.tsx'
import { NoSuchPage } from './screens/no-such-page.tsx'
import { Overview } from './screens/overview/overview.tsx'
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

function Screen(): JSX.Element {
  const { screen, rest } = place.value
  if (screen === '' && rest.length === 0) return <Overview />
  return <NoSuchPage />
}

/** No link: a fragment alone would lead to the base address. */
function toMain(): void {
  document.getElementById('main')?.focus()
}
