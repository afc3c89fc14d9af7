import type { JSX } from 'preact'
import { status } from '../api/live.ts'
import { session } from '../api/session.ts'
import { Icon, Sign } from '../parts/icon.tsx'
import { place } from '../place/place.ts'
import { countText } from '../words/number.ts'
import { SCREENS, type Screen } from './screens.ts'
import { sideCount } from './side-counts.ts'

/** The side bar; a rail of icons on a narrower screen. */
export function Side(): JSX.Element {
  return (
    <nav class="side" aria-label="Screens">
      <a class="brand" href="./" aria-label="Broadcaster, to the overview">
        <Sign />
        <span>Broadcaster</span>
      </a>
      <div class="nav">
        <ul>{SCREENS.filter(({ group }) => group === 'top').map(item)}</ul>
        <h2 id="nav-deliver">Deliver</h2>
        <ul aria-labelledby="nav-deliver">{SCREENS.filter(({ group }) => group === 'deliver').map(item)}</ul>
        <h2 id="nav-operate">Operate</h2>
        <ul aria-labelledby="nav-operate">{SCREENS.filter(({ group }) => group === 'operate').map(item)}</ul>
      </div>
      <footer>{[session.value?.version, status.value?.description.split(' ')[0]].filter(Boolean).join(' · ')}</footer>
    </nav>
  )
}

const item = (screen: Screen): JSX.Element => <SideLink key={screen.path} screen={screen} />

export function SideLink({ screen }: { readonly screen: Screen }): JSX.Element {
  const { path, name, icon } = screen
  const count = sideCount(path)
  return (
    <li>
      <a href={path === '' ? './' : path} aria-current={place.value.screen === path ? 'page' : undefined}>
        <Icon name={icon} />
        <span class="lbl">{name}</span>
        {count === undefined ? null : (
          <>
            <span class={`n${count.tone === 'plain' ? '' : ` n--${count.tone}`}`} aria-hidden="true">
              {countText(count.count)}
            </span>
            <span class="vh">
              , {countText(count.count)} {count.what}
            </span>
          </>
        )}
      </a>
    </li>
  )
}
