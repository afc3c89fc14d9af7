import { signal } from '@preact/signals'
import { useLayoutEffect } from 'preact/hooks'
import { keep, kept } from '../api/kept.ts'
import { switchLive } from '../api/live.ts'
import { go } from '../place/place.ts'
import { SCREENS } from './screens.ts'

/** Whether the list of keys is open. */
export const isHelpOpen = signal(false)
/** Single keys can be switched off (WCAG 2.1.4): who dictates would press them by speaking. */
export const areKeysOn = signal(kept('keys') !== 'off')

export function switchKeys(): void {
  areKeysOn.value = !areKeysOn.peek()
  keep('keys', areKeysOn.peek() ? 'on' : 'off')
}

/** The time between `g` and the next key, in milliseconds. */
const LEADER = 1_200

let wentAt = Number.NEGATIVE_INFINITY

/** The keys of the screen that is shown. */
const screenKeys = new Set<(key: string) => boolean>()

/** Keys of one screen; `onKey` says whether it used the key. */
export function useKeys(onKey: (key: string) => boolean): void {
  useLayoutEffect(() => {
    screenKeys.add(onKey)
    return () => {
      screenKeys.delete(onKey)
    }
  })
}

export function listenToKeys(): void {
  document.addEventListener('keydown', (event) => {
    if (!areKeysOn.peek() || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return
    const { target } = event
    if (
      target instanceof Element &&
      target.closest('input:not([type="checkbox"]), textarea, select, dialog, [contenteditable]') !== null
    )
      return
    // Enter is the button's or the link's own, if one has the focus.
    if (event.key === 'Enter' && target instanceof Element && target.closest('a, button, summary') !== null) return
    if (pressed(event.key)) event.preventDefault()
  })
}

function pressed(key: string): boolean {
  if (performance.now() - wentAt < LEADER) {
    wentAt = Number.NEGATIVE_INFINITY
    const screen = SCREENS.find((one) => one.key === key)
    if (screen === undefined) return false
    go(screen.path === '' ? './' : screen.path)
    return true
  }
  switch (key) {
    case 'g':
      wentAt = performance.now()
      return true
    case '?':
      isHelpOpen.value = true
      return true
    case 'p':
      switchLive()
      return true
    case '/': {
      const box = document.querySelector<HTMLInputElement>('[data-filter]')
      box?.focus()
      box?.select()
      return box !== null
    }
    default:
      return [...screenKeys].some((onKey) => onKey(key))
  }
}
