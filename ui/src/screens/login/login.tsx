import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import { post } from '../../api/ask.ts'
import { askOnce, openLive } from '../../api/live.ts'
import { asProblem, type Problem } from '../../api/problem.ts'
import { isLoggedOut, session } from '../../api/session.ts'
import { startSession } from '../../api/start-session.ts'
import { Call } from '../../parts/call.tsx'
import { Sign } from '../../parts/icon.tsx'
import { base, go, place } from '../../place/place.ts'
import { useTitle } from '../../place/title.ts'

/** Only a path of our own: an address from elsewhere is no place to go after signing in. */
function whereTo(): string {
  const { screen, query } = place.peek()
  if (screen !== 'login') return location.href
  const to = new URL(query.get('to') ?? './', base)
  return to.origin === base.origin && to.pathname.startsWith(base.pathname) ? to.href : base.href
}

export function Login(): JSX.Element {
  const [token, setToken] = useState('')
  const [problem, setProblem] = useState<Problem>()
  const [isBusy, setIsBusy] = useState(false)
  const outbox = session.value?.outbox ?? ''
  useTitle('Sign in')
  const signIn = async (): Promise<void> => {
    setIsBusy(true)
    setProblem(undefined)
    try {
      await post('login', { token })
      isLoggedOut.value = false
      await startSession()
      if (isLoggedOut.peek()) throw new Error('the browser did not keep the session cookie')
      go(whereTo(), { replace: true })
      void askOnce()
      openLive()
    } catch (thrown) {
      setProblem(asProblem(thrown))
    } finally {
      setIsBusy(false)
    }
  }
  return (
    <div class="login">
      <main class="card" id="main">
        <div>
          <p class="brand">
            <Sign />
            <span>Broadcaster</span>
          </p>
          <h1>{outbox === '' ? 'Sign in' : `Sign in to ${outbox}`}</h1>
        </div>
        {problem === undefined ? null : (
          <Call tone="bad" role="alert" title="Not signed in">
            {problem.message}
          </Call>
        )}
        {session.value?.login === 'host' || session.value?.login === 'basic' ? (
          <Elsewhere />
        ) : (
          <form
            onSubmit={(event) => {
              event.preventDefault()
              if (!isBusy) void signIn()
            }}
          >
            <div class="field">
              <label for="token">Token</label>
              <input
                class="input mono"
                id="token"
                type="password"
                autocomplete="current-password"
                required
                aria-describedby="token-hint"
                value={token}
                onInput={(event) => setToken(event.currentTarget.value)}
              />
              <span class="hint" id="token-hint">
                The one in the configuration of this admin. It is exchanged for a session cookie and kept nowhere else.
              </span>
            </div>
            <button class="btn btn--main" type="submit">
              {isBusy ? 'Signing in …' : 'Sign in'}
            </button>
          </form>
        )}
      </main>
      <span />
    </div>
  )
}

/** Who signs in is not decided here. */
function Elsewhere(): JSX.Element {
  return (
    <div class="stack stack--tight">
      <p class="soft">
        Signing in is done by the application around this admin. Your session there has ended, or has no right here.
      </p>
      <a class="btn btn--main" href={base.href} target="_self">
        Try again
      </a>
    </div>
  )
}
