import './styles/index.css'
import { render } from 'preact'
import { startClock } from './api/clock.ts'
import { startLive } from './api/live.ts'
import { startSamples } from './api/samples.ts'
import { startSession } from './api/start-session.ts'
import { App } from './app.tsx'
import { followLinks } from './place/place.ts'
import { listenToKeys } from './shell/keyboard.ts'
import { applyTheme } from './shell/theme.ts'

applyTheme()
followLinks()
listenToKeys()
startClock()

const root = document.getElementById('app')
if (root !== null) {
  await startSession()
  render(<App />, root)
  startLive()
  startSamples()
}
