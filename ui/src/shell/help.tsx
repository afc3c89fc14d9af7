import type { JSX } from 'preact'
import { Dialog } from '../parts/dialog.tsx'
import { areKeysOn, isHelpOpen, switchKeys } from './keyboard.ts'
import { SCREENS } from './screens.ts'

const KEYS: readonly (readonly [keys: string, does: string])[] = [
  ['?', 'These keys'],
  ['/', 'To the filter'],
  ['p', 'Pause or resume live updates'],
  ...SCREENS.map(({ key, name }) => [`g ${key}`, name] as const),
  ['j k', 'Next, previous row'],
  ['x', 'Choose the row'],
  ['X', 'Choose all that match'],
  ['Enter', 'Open the row'],
  ['r', 'Requeue what is chosen, or the open event'],
  ['[ ]', 'Previous, next event'],
  ['Esc', 'Close, or leave the filter'],
]

/** The list of keys. */
export function Help(): JSX.Element | null {
  if (!isHelpOpen.value) return null
  const close = (): void => {
    isHelpOpen.value = false
  }
  return (
    <Dialog title="Keyboard" onClose={close}>
      <dl class="keys-dl">
        {KEYS.map(([keys, does]) => (
          <>
            <dt key={`${keys} key`}>
              {keys.split(' ').map((key) => (
                <>
                  <kbd key={key}>{key}</kbd>{' '}
                </>
              ))}
            </dt>
            <dd key={keys}>{does}</dd>
          </>
        ))}
      </dl>
      <label class="choice">
        <input type="checkbox" checked={areKeysOn.value} onChange={switchKeys} />
        <span>Single keys work on these pages</span>
      </label>
      <footer>
        <button type="button" class="btn" onClick={close}>
          Close
        </button>
      </footer>
    </Dialog>
  )
}
