import type { JSX } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import { Dialog } from '../parts/dialog.tsx'
import { Icon } from '../parts/icon.tsx'
import { place } from '../place/place.ts'
import { countText } from '../words/number.ts'
import { QUICK, SCREENS } from './screens.ts'
import { SideLink } from './side.tsx'
import { sideCount } from './side-counts.ts'

/** The bar of five at the bottom of a phone. */
export function Quick(): JSX.Element {
  const [isOpen, setIsOpen] = useState(false)
  const here = place.value
  // A link closes the dialog that it stands in.
  useEffect(() => setIsOpen(false), [here])
  const isQuick = ({ path }: { readonly path: string }): boolean => QUICK.includes(path)
  return (
    <nav class="quick" aria-label="Screens, short">
      <ul>
        {SCREENS.filter(isQuick).map(({ path, name, icon }) => {
          const count = sideCount(path)
          return (
            <li key={path}>
              <a href={path === '' ? './' : path} aria-current={place.value.screen === path ? 'page' : undefined}>
                <Icon name={icon} />
                {name}
                {count === undefined ? null : (
                  <>
                    <span class="n" aria-hidden="true">
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
        })}
        <li>
          <button type="button" aria-haspopup="dialog" onClick={() => setIsOpen(true)}>
            <Icon name="more" />
            More
          </button>
        </li>
      </ul>
      {isOpen ? (
        <Dialog title="More screens" onClose={() => setIsOpen(false)}>
          <nav class="nav" aria-label="More screens">
            <ul>
              {SCREENS.filter((screen) => !isQuick(screen)).map((screen) => (
                <SideLink key={screen.path} screen={screen} />
              ))}
            </ul>
          </nav>
          <footer>
            <button type="button" class="btn" onClick={() => setIsOpen(false)}>
              Close
            </button>
          </footer>
        </Dialog>
      ) : null}
    </nav>
  )
}
